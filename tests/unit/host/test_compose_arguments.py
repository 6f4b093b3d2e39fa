"""The argv contracts of the compose engines, whole."""

import pytest

from podup.host.compose_arguments import (
    Place,
    config_argv,
    definition_in,
    definitions_label,
    scoped,
    up_argv,
)
from podup.recipes.stack_facts import ComposeEngine

PLACE = Place("odoo18-prod", "/srv/stacks/odoo18-prod", "docker-compose.yml")
DOCKER = ComposeEngine("docker compose", ("docker", "compose"), "docker", "docker", "2.27.0", True)
WRAPPED = ComposeEngine("podman compose", ("podman", "compose"), "docker", "podman", "2.27.0", True)
PYTHON = ComposeEngine("podman-compose", ("podman-compose",), "podman-compose", "podman", "1.0.3")


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (
            config_argv(DOCKER, PLACE),
            "docker compose --project-name odoo18-prod --project-directory /srv/stacks/odoo18-prod"
            " --file /srv/stacks/odoo18-prod/docker-compose.yml config --format json",
        ),
        (
            up_argv(DOCKER, PLACE, (), ""),
            "docker compose --project-name odoo18-prod --project-directory /srv/stacks/odoo18-prod"
            " --file /srv/stacks/odoo18-prod/docker-compose.yml up --detach --no-build --pull never",
        ),
        (
            up_argv(WRAPPED, PLACE, ("web",), ""),
            "podman compose --project-name odoo18-prod --project-directory /srv/stacks/odoo18-prod"
            " --file /srv/stacks/odoo18-prod/docker-compose.yml up --detach --no-build --pull never web",
        ),
        (
            up_argv(PYTHON, PLACE, ("web", "db"), "web=1,db=2"),
            "podman-compose -p odoo18-prod -f /srv/stacks/odoo18-prod/docker-compose.yml"
            " --podman-run-args=--label=io.podup.services=web=1,db=2 --podman-run-args=--pull=never"
            " up -d --no-build web db",
        ),
        (
            scoped(("podman-compose", "up"), "user", "podup stack a"),
            "systemd-run --user --scope --quiet --collect --description=podup stack a -- podman-compose up",
        ),
        (
            scoped(("podman-compose", "up"), "system", "podup stack a"),
            "systemd-run --scope --quiet --collect --description=podup stack a -- podman-compose up",
        ),
        (scoped(("podman-compose", "up"), "", "podup stack a"), "podman-compose up"),
    ],
)
def test_argv(argv: tuple[str, ...], line: str) -> None:
    assert " ".join(argv) == line


def test_definitions_travel_in_one_label() -> None:
    label = definitions_label([("web", "1a"), ("db", "2b")])
    assert (definition_in(label, "web"), definition_in(label, "db"), definition_in(label, "x")) == (
        "1a",
        "2b",
        "",
    )
