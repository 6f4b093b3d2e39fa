"""What compose engines are called with: pure functions from a stack's place to argv, one for each dialect.

`docker` is docker compose v2, also behind `podman compose`; `podman-compose` the Python program, from 1.0.3
(Debian 12) on, which has no `config`, always exits 0 from `pull` and `up`, and never replaces a container
that exists. So images are pulled one by one with the container engine, what is to be replaced is removed
first, and every container is inspected afterwards.
"""

from collections.abc import Sequence

from podup.recipes.stack_facts import ComposeEngine
from podup.records import dataclass

DOCKER = "docker"
PODMAN_COMPOSE = "podman-compose"
DEFINITIONS_LABEL = "io.podup.services"
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
PLACE_LABEL = "com.docker.compose.project.working_dir"
NUMBER_LABEL = "com.docker.compose.container-number"
ONE_OFF_LABEL = "com.docker.compose.oneoff"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a compose project lives: its name, directory, and the compose file in it."""

    project: str
    directory: str
    file: str

    @property
    def path(self) -> str:
        return f"{self.directory}/{self.file}"


def config_argv(engine: ComposeEngine, place: Place) -> tuple[str, ...]:
    """Print the file as the engine reads it. Only for engines that have it."""
    return (*_base(engine, place), "config", "--format", "json")


def up_argv(
    engine: ComposeEngine, place: Place, services: Sequence[str], definitions: str
) -> tuple[str, ...]:
    """Start the services, building and pulling nothing; `definitions` goes to a label where needed."""
    if engine.dialect == DOCKER:
        return (*_base(engine, place), "up", "--detach", "--no-build", "--pull", "never", *services)
    labels = (
        f"--podman-run-args=--label={DEFINITIONS_LABEL}={definitions}",
        "--podman-run-args=--pull=never",
    )
    return (*_base(engine, place), *labels, "up", "-d", "--no-build", *services)


def definitions_label(fingerprints: Sequence[tuple[str, str]]) -> str:
    """Return the label's value: `web=<fingerprint>,db=<fingerprint>`."""
    return ",".join(f"{service}={fingerprint}" for service, fingerprint in fingerprints)


def definition_in(label: str, service: str) -> str:
    """Return a service's fingerprint in a label's value, empty when it is not there."""
    pairs = (part.partition("=") for part in label.split(","))
    return next((fingerprint for name, _, fingerprint in pairs if name == service), "")


def scoped(argv: Sequence[str], manager: str, says: str) -> tuple[str, ...]:
    """Run `argv` in a scope of its own below the `user` or `system` manager; as it is without a manager.

    What starts containers outside a unit of theirs would otherwise lose them with its own cgroup.
    """
    if not manager:
        return tuple(argv)
    who = ("--user",) if manager == "user" else ()
    return ("systemd-run", *who, "--scope", "--quiet", "--collect", f"--description={says}", "--", *argv)


def _base(engine: ComposeEngine, place: Place) -> tuple[str, ...]:
    if engine.dialect == DOCKER:
        where = ("--project-name", place.project, "--project-directory", place.directory)
        return (*engine.argv, *where, "--file", place.path)
    return (*engine.argv, "-p", place.project, "-f", place.path)
