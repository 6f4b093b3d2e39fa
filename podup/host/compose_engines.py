"""Which compose engine works here: docker compose, `podman compose` or podman-compose, in this order.

All are asked at the same time, once: podman-compose alone takes longer to say its version than podman takes
to list every container. Whose containers they are, docker's or podman's, is known before that.
"""

from threading import Lock
from typing import TYPE_CHECKING

from podup.errors import Unavailable
from podup.host.compose_arguments import DOCKER, PODMAN_COMPOSE
from podup.host.run import Command, Completed, Runner
from podup.late import late
from podup.recipes.stack_facts import ComposeEngine

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = late("concurrent.futures")

_TIMEOUT_S = 30.0
_BELOW_PODMAN = (("podman compose", ("podman", "compose")), ("podman-compose", ("podman-compose",)))


class EngineSearch:
    """Finds the engine when it is first asked for. Any thread may ask."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lock = Lock()
        self._asked: dict[str, futures.Future[ComposeEngine | None]] = {}

    def containers(self) -> str:
        """Return the container engine below, `docker` or `podman`, whether or not compose works there."""
        return "docker" if self._answers()["docker compose"].result() else "podman"

    def engine(self) -> ComposeEngine:
        """Return the first engine that works. Raises Unavailable `no-compose-engine`."""
        found = next((engine for asked in self._answers().values() if (engine := asked.result())), None)
        if found is None:
            hint = "install docker compose v2 or podman-compose"
            raise Unavailable("no-compose-engine", "there is no compose engine that works", hint)
        return found

    def _answers(self) -> "dict[str, futures.Future[ComposeEngine | None]]":
        with self._lock:
            if not self._asked:
                threads = futures.ThreadPoolExecutor(1 + len(_BELOW_PODMAN))
                self._asked["docker compose"] = threads.submit(self._ask_docker)
                for name, argv in _BELOW_PODMAN:
                    self._asked[name] = threads.submit(self._ask, name, argv, "podman")
                threads.shutdown(wait=False)
            return self._asked

    def _ask_docker(self) -> ComposeEngine | None:
        """Docker counts only when its daemon answers: a client alone starts nothing."""
        engine = self._ask("docker compose", ("docker", "compose"), "docker")
        daemon = ("docker", "version", "--format", "{{.Server.Version}}")
        return engine if engine is not None and self._run(daemon).ok else None

    def _ask(self, name: str, argv: tuple[str, ...], containers: str) -> ComposeEngine | None:
        told = self._run((*argv, "version"))
        if not told.ok:
            return None
        said = told.stdout + told.stderr
        dialect = PODMAN_COMPOSE if "podman-compose" in said.lower() else DOCKER
        return ComposeEngine(name, argv, dialect, containers, _version(said), dialect == DOCKER)

    def _run(self, argv: tuple[str, ...]) -> Completed:
        return self._runner.run(Command(argv, mutates=False, timeout_s=_TIMEOUT_S))


def _version(said: str) -> str:
    lines = [line for line in said.splitlines() if "compose" in line.lower()]
    words = " ".join(lines).replace(",", " ").split()
    return next((word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit()), "")
