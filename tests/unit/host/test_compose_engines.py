"""The compose engine that is chosen, and what containers and failures mean, over a fake of the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from podup.errors import PodupError, Unavailable
from podup.host.compose import Compose, read_stack_container
from podup.host.compose_arguments import Place
from podup.host.compose_engines import EngineSearch
from podup.host.run import Command, Completed

PLACE = Place("odoo", "/srv/stacks/odoo", "docker-compose.yml")
PYTHON_VERSION = "['podman', '--version', '']\nusing podman version: 4.3.1\npodman-composer version  1.0.3\n"
ID = "c" * 64
LABELS = {
    "com.docker.compose.project": "odoo",
    "com.docker.compose.service": "web",
    "com.docker.compose.container-number": "1",
    "com.docker.compose.project.working_dir": "/srv/stacks/odoo",
}


def container(**state: Any) -> dict[str, Any]:
    return {
        "Id": ID,
        "Name": "/odoo-web",
        "Image": "a" * 64,
        "RestartCount": 2,
        "State": {"Status": "running", "Running": True, "StartedAt": "2026-01-30T10:00:00Z", **state},
        "Config": {
            "Image": "ghcr.io/a/b:1",
            "Labels": {**LABELS, "io.podup.services": "web=12,db=34"},
        },
        "HostConfig": {
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "RestartPolicy": {"Name": "always"},
        },
        "Mounts": [
            {"Type": "volume", "Name": "odoo_data", "Destination": "/data"},
            {"Type": "volume", "Name": "f" * 64, "Source": "/v/_data", "Destination": "/anonymous"},
            {"Type": "bind", "Source": "/x", "Destination": "/y"},
        ],
    }


class FakeMachine:
    """Answers commands by their first words, the longest that fits; the rest is not installed."""

    def __init__(self, answers: Mapping[str, tuple[int, str, str]]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def run(self, command: Command) -> Completed:
        line = " ".join(command.argv)
        self.asked.append(line)
        known = [words for words in self._answers if line.startswith(words)]
        missing = (127, "", f"{command.argv[0]}: not found")
        code, out, error = self._answers[max(known, key=len)] if known else missing
        return Completed(command, code, out, error, 1)


class Private:
    """Runs what is private on the same machine, and notes that it was."""

    def __init__(self, machine: FakeMachine) -> None:
        self.machine = machine
        self.asked: list[str] = []

    def run(self, command: Command) -> Completed:
        self.asked.append(" ".join(command.argv))
        return self.machine.run(command)


@pytest.mark.parametrize(
    ("answers", "name", "dialect", "version"),
    [
        (
            {
                "docker compose version": (0, "Docker Compose version v2.27.0\n", ""),
                "docker version": (0, "26", ""),
            },
            "docker compose",
            "docker",
            "2.27.0",
        ),
        (
            {
                "docker compose version": (0, "Docker Compose version v2.27.0\n", ""),
                "docker version": (1, "", "Cannot connect to the Docker daemon"),
                "podman-compose version": (0, PYTHON_VERSION, ""),
            },
            "podman-compose",
            "podman-compose",
            "1.0.3",
        ),
        (
            {
                "podman compose version": (
                    0,
                    "Docker Compose version v2.24.1\n",
                    ">>>> Executing external compose",
                )
            },
            "podman compose",
            "docker",
            "2.24.1",
        ),
        (
            {"podman compose version": (0, "podman-compose version 1.2.0\n", "")},
            "podman compose",
            "podman-compose",
            "1.2.0",
        ),
    ],
)
def test_the_first_engine_that_works_is_taken(
    answers: dict[str, tuple[int, str, str]], name: str, dialect: str, version: str
) -> None:
    engine = EngineSearch(FakeMachine(answers)).engine()
    assert (engine.name, engine.dialect, engine.version) == (name, dialect, version)
    assert engine.has_config == (dialect == "docker")


def test_no_engine_is_said_so() -> None:
    with pytest.raises(Unavailable) as caught:
        EngineSearch(FakeMachine({})).engine()
    assert caught.value.code == "no-compose-engine"


def test_a_container_is_read() -> None:
    item = read_stack_container(container())
    assert (item.service, item.state.name, item.state.image_ref) == ("web", "odoo-web", "ghcr.io/a/b:1")
    assert (item.ports, item.restart, item.definition) == (("8080:80",), "always", "12")
    assert (item.volumes, item.unnamed) == (("/x", "odoo_data"), ("/v/_data:/anonymous",))
    assert item.state.image_id == "sha256:" + "a" * 64 and item.state.restarts == 2
    assert not read_stack_container(container(Status="restarting")).state.running
    assert not item.state.check.is_askable, "docker names the image in the configuration"
    assert read_stack_container({**container(), "ImageName": "ghcr.io/a/b:1"}).state.check.is_askable


def compose(manager: str = "", **answers: tuple[int, str, str]) -> tuple[Compose, FakeMachine]:
    known = {"podman-compose version": (0, PYTHON_VERSION, "")}
    machine = FakeMachine({**known, **{words.replace("_", " "): told for words, told in answers.items()}})
    search = EngineSearch(machine)
    assert search.engine().containers == search.containers() == "podman"
    machine.asked.clear()
    return Compose(machine, search, private=Private(machine), manager=lambda: manager), machine


def looking(found: dict[str, Any], of_image: dict[str, str] | None = None) -> tuple[Compose, FakeMachine]:
    """An engine below which one container is found, of an image with these labels."""
    engine, machine = compose()
    machine._answers = {
        "podman ps --all --quiet --no-trunc --filter label=com.docker.compose.project": (0, ID, ""),
        "podman container inspect": (0, json.dumps([found]), ""),
        "podman image inspect": (0, f"{'a' * 64} {json.dumps(of_image)}\n", ""),
    }
    return engine, machine


def test_containers_are_found_by_their_project() -> None:
    engine, machine = looking(container())
    assert [item.service for item in engine.containers("odoo")] == ["web"]
    assert any("inspect" in line for line in engine._private.asked)  # type: ignore[attr-defined]
    assert engine.containers("odoo") and sum("image inspect" in line for line in machine.asked) == 1


def test_a_project_that_only_an_image_names_is_not_believed() -> None:
    """An image that compose built bears these two labels; run by hand it is no service of the stack."""
    built = {name: LABELS[name] for name in ("com.docker.compose.project", "com.docker.compose.service")}
    by_hand = container()
    by_hand["Config"] = {"Image": "ghcr.io/a/b:1", "Labels": built}
    assert looking(by_hand, built)[0].containers("odoo") == ()
    assert len(looking(container(), built)[0].containers("odoo")) == 1, "what compose started is"


def test_what_was_run_by_hand_in_a_project_is_no_service() -> None:
    docker, podman = container(), {**container(), "Name": "odoo_web_tmp51234"}
    docker["Config"]["Labels"]["com.docker.compose.oneoff"] = "True"
    assert looking(docker)[0].containers("odoo") == looking(podman)[0].containers("odoo") == ()


def test_the_projects_started_from_a_directory_are_found() -> None:
    assert looking(container())[0].projects_in("/srv/stacks/odoo") == ("odoo",)


def test_images_that_are_not_there_have_no_id() -> None:
    """What podman 4.3 prints: the images there are in the order asked for, the others as errors."""
    printed = f'{"a" * 64} ["x@sha256:1"]\n'
    missing = "error inspecting object: x:12: image not known\nError: inspecting object: y:2: image not known"
    engine, machine = compose(podman_image=(125, printed, missing))
    assert [image.id[:9] for image in engine.images(("y:2", "x:1", "x:12"))] == ["", "sha256:aa", ""]
    assert len(machine.asked) == 1
    docker, _ = compose(podman_image=(1, "\n", "Error response from daemon: No such image: y:2"))
    assert docker.image("y:2").id == "" and docker.images(()) == ()


@pytest.mark.parametrize("printed", ["aa []\n", "aa []\nbb\n", ""])
def test_images_that_cannot_be_told_apart_are_an_error(printed: str) -> None:
    engine, _ = compose(podman_image=(0, printed, ""))
    with pytest.raises(PodupError) as caught:
        engine.images(("x:1", "y:1"))
    assert caught.value.code == "image-not-read"
    broken, _ = compose(podman_image=(125, "", "Error: storage is locked"))
    with pytest.raises(PodupError):
        broken.image("x:1")


def test_a_pull_fails_with_the_code_of_a_registry() -> None:
    engine, _ = compose(podman_pull=(125, "", "Error: reading manifest x: manifest unknown"))
    with pytest.raises(PodupError) as caught:
        engine.pull("x:1", timeout_s=1)
    assert caught.value.code == "image-not-found"


def test_containers_are_started_in_a_scope_where_there_can_be_one() -> None:
    engine, machine = compose("user", systemd_run=(0, "", ""), **{"systemd-run": (0, "", "")})
    engine.up(PLACE, ("web",), "web=1", timeout_s=1)
    assert machine.asked[-1].startswith("systemd-run --user --scope")
    plain, machine = compose(
        "user", **{"systemd-run": (1, "", ""), "podman-compose": (0, PYTHON_VERSION, "")}
    )
    plain.up(PLACE, ("web",), "web=1", timeout_s=1)
    assert machine.asked[-1].startswith("podman-compose -p odoo")


def test_the_engine_s_reading_and_what_it_found_not_set() -> None:
    warned = """time="2026-01-30T10:00:00Z" level=warning msg="The \\"TAG\\" variable is not set. Defaulting"
The "OTHER" variable is not set. Defaulting to a blank string."""
    machine = FakeMachine(
        {
            "docker compose version": (0, "Docker Compose version v2.27.0\n", ""),
            "docker version": (0, "26", ""),
            "docker compose --project-name": (0, '{"services": {}}', warned),
        }
    )
    engine = Compose(machine, EngineSearch(machine), private=machine, manager=lambda: "")
    assert engine.config(PLACE, {}) == ({"services": {}}, ("OTHER", "TAG"))


def test_removing_gives_containers_time_and_keeps_volumes() -> None:
    engine, machine = compose(podman_stop=(0, "", ""), podman_rm=(0, "", ""))
    engine.remove_containers(["a", "b"])
    assert machine.asked[-2:] == ["podman stop --time 30 a b", "podman rm --force --depend a b"]
    engine.remove_containers([])
    assert len(machine.asked) == 2
