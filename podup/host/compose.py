"""Compose projects through whichever engine is there, and the containers and images below them.

The engine starts containers; all else is asked of `podman` or `docker` itself, because only they say how
things are. Failures are PodupErrors, those of a pull with the codes of `podup.net.registry`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from podup.errors import PodupError, Unavailable
from podup.host.arguments import image_argument
from podup.host.compose_arguments import (
    DEFINITIONS_LABEL,
    DOCKER,
    PODMAN_COMPOSE,
    PROJECT_LABELS,
    SERVICE_LABEL,
    Place,
    config_argv,
    definition_in,
    scoped,
    up_argv,
)
from podup.host.podman_answers import parse, pull_error, read_container, sha256_id
from podup.host.run import Command, Completed, Runner
from podup.recipes.stack_facts import ComposeEngine, StackContainer, StackImage

ASK_TIMEOUT_S = 30.0
CHANGE_TIMEOUT_S = 120.0
_STOP_S = 30
_NO_IMAGE = ("image not known", "no such image", "tag not known", "no such object")
_ENGINES = (
    ("docker compose", ("docker", "compose"), "docker"),
    ("podman compose", ("podman", "compose"), "podman"),
    ("podman-compose", ("podman-compose",), "podman"),
)


def find_engine(runner: Runner) -> ComposeEngine:
    """Return the first engine that works, docker compose first. Raises Unavailable `no-compose-engine`.

    Docker counts only when its daemon answers: a client alone starts nothing.
    """
    for name, argv, containers in _ENGINES:
        told = runner.run(Command((*argv, "version"), mutates=False, timeout_s=ASK_TIMEOUT_S))
        if not told.ok:
            continue
        if containers == "docker":
            daemon = ("docker", "version", "--format", "{{.Server.Version}}")
            if not runner.run(Command(daemon, mutates=False, timeout_s=ASK_TIMEOUT_S)).ok:
                continue
        said = told.stdout + told.stderr
        dialect = PODMAN_COMPOSE if "podman-compose" in said.lower() else DOCKER
        return ComposeEngine(name, argv, dialect, containers, _version(said), dialect == DOCKER)
    hint = "install docker compose v2 or podman-compose"
    raise Unavailable("no-compose-engine", "there is no compose engine that works", hint)


class Compose:
    """One compose engine. `manager` is `user`, `system` or empty: who gives scopes to started containers.

    What prints the environment of containers, secrets in it, runs over `private`: no log keeps its output.
    """

    def __init__(self, runner: Runner, engine: ComposeEngine, *, private: Runner, manager: str) -> None:
        self.engine = engine
        self._runner = runner
        self._private = private
        self._manager = manager
        self._has_scopes: bool | None = None

    def prepare(self) -> None:
        """Learn whether scopes can be made from here; to be called before anything is taken down.

        They cannot where there is no manager, and where this process is outside the manager's own cgroups:
        then nothing of the manager's ends the containers either, so they are started plainly.
        """
        if self._has_scopes is None:
            probe = scoped(("true",), self._manager, "podup looks for scopes")
            asked = Command(probe, mutates=True, timeout_s=ASK_TIMEOUT_S)
            self._has_scopes = bool(self._manager) and self._runner.run(asked).ok

    def config(self, place: Place, variables: Mapping[str, str]) -> Any:
        """Return the tree of the compose file as the engine reads it; `variables` win over `.env`."""
        argv = config_argv(self.engine, place)
        done = self._private.run(Command(argv, mutates=False, timeout_s=ASK_TIMEOUT_S, env=variables))
        done.check(
            "compose-not-read", f"{self.engine.name} cannot read {place.path}", "mend the compose file"
        )
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise PodupError("compose-answer", f"{self.engine.name} config did not print JSON") from None

    def up(self, place: Place, services: Sequence[str], definitions: str, *, timeout_s: float) -> Completed:
        """Start services in a scope of their own. Raises PodupError; exit 0 alone proves nothing."""
        self.prepare()
        manager = self._manager if self._has_scopes else ""
        argv = scoped(
            up_argv(self.engine, place, services, definitions), manager, f"podup stack {place.project}"
        )
        done = self._private.run(Command(argv, mutates=True, timeout_s=timeout_s))
        return done.check("up-failed", f"{self.engine.name} up failed for {place.project}")

    def containers(self, project: str) -> tuple[StackContainer, ...]:
        """Return all containers of a project, stopped ones too."""
        for label in PROJECT_LABELS:
            ids = self._ids(f"label={label}={project}")
            if ids:
                return self._inspect(ids)
        return ()

    def remove_containers(self, ids: Sequence[str]) -> None:
        """Stop containers, with time to end well, and remove them; volumes stay, absent ones are fine."""
        if not ids:
            return
        stop = (self.engine.containers, "stop", "--time", str(_STOP_S), *ids)
        self._change(stop, "stop-failed", _STOP_S * (1 + len(ids)))
        depend = ("--depend",) if self.engine.containers == "podman" else ()
        self._change((self.engine.containers, "rm", "--force", *depend, *ids), "remove-failed")

    def logs(self, name: str, lines: int) -> str:
        """Return the newest lines of a container's log."""
        words = (self.engine.containers, "logs", f"--tail={lines}", name)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return (done.stdout + done.stderr).strip()

    def image(self, ref: str) -> StackImage:
        """Return the local image of a reference, without an id when there is none."""
        words = (self.engine.containers, "image", "inspect", image_argument(ref))
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        if not done.ok and any(word in done.stderr.lower() for word in _NO_IMAGE):
            return StackImage()
        found = parse(done.check("image-not-read", f"image {ref} could not be inspected"))[0]
        return StackImage(sha256_id(str(found.get("Id", ""))), tuple(found.get("RepoDigests") or ()))

    def pull(self, ref: str, *, timeout_s: float, on_line: Callable[[str], None] | None = None) -> None:
        """Fetch an image under its name. Raises PodupError with a registry's code."""
        words = (self.engine.containers, "pull", image_argument(ref))
        done = self._runner.run(Command(words, mutates=True, timeout_s=timeout_s, on_line=on_line))
        if not done.ok:
            raise pull_error(ref, done)

    def tag(self, source: str, name: str) -> None:
        """Let `name` stand for the local image `source`."""
        self._change(
            (self.engine.containers, "tag", image_argument(source), image_argument(name)), "tag-failed"
        )

    def names_below(self, prefix: str) -> tuple[str, ...]:
        """Return the names of local images that begin with `prefix`."""
        form = "{{.Repository}}:{{.Tag}}"
        words = (self.engine.containers, "images", "--format", form)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        done.check("images-not-listed", "the local images could not be listed")
        return tuple(sorted({name for name in done.stdout.split() if name.startswith(prefix)}))

    def untag(self, name: str) -> None:
        """Take a name away; the image goes only when it was its last name and nothing uses it."""
        verb = ("untag", name, name) if self.engine.containers == "podman" else ("rmi", "--no-prune", name)
        self._change((self.engine.containers, *verb), "untag-failed")

    def networks(self) -> tuple[str, ...]:
        """Return the names of the networks there are."""
        words = (self.engine.containers, "network", "ls", "--format", "{{.Name}}")
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return tuple(done.check("networks-not-listed", "the networks could not be listed").stdout.split())

    def image_store(self) -> str:
        """Return the directory the images are kept in, empty when the engine does not say."""
        form = "{{.Store.GraphRoot}}" if self.engine.containers == "podman" else "{{.DockerRootDir}}"
        words = (self.engine.containers, "info", "--format", form)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return done.stdout.strip() if done.ok else ""

    def _ids(self, only: str) -> tuple[str, ...]:
        words = (self.engine.containers, "ps", "--all", "--quiet", "--no-trunc", "--filter", only)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return tuple(done.check("containers-not-listed", "the containers could not be listed").stdout.split())

    def _inspect(self, ids: Sequence[str]) -> tuple[StackContainer, ...]:
        words = (self.engine.containers, "container", "inspect", *ids)
        done = self._private.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        if not done.ok and "no such container" not in done.stderr.lower():
            done.check("containers-not-inspected", "the containers could not be inspected")
        return tuple(read_stack_container(found) for found in parse(done) or ())

    def _change(self, argv: tuple[str, ...], code: str, timeout_s: float = CHANGE_TIMEOUT_S) -> None:
        done = self._runner.run(Command(argv, mutates=True, timeout_s=timeout_s))
        if not done.ok and "no such container" in done.stderr.lower():
            return
        done.check(code, f"{' '.join(argv[:2])} failed")


def read_stack_container(found: Mapping[str, Any]) -> StackContainer:
    """Read an element of `podman container inspect` or `docker container inspect`."""
    state, config, host = (found.get(key) or {} for key in ("State", "Config", "HostConfig"))
    labels = config.get("Labels") or {}
    told = {**found, "Name": str(found.get("Name", "")).lstrip("/")}
    told.setdefault("ImageName", config.get("Image", ""))
    if str(state.get("Status", "")) == "restarting":
        told["State"] = {**state, "Running": False}
    service = str(labels.get(SERVICE_LABEL, ""))
    return StackContainer(
        service=service,
        state=read_container(told),
        ports=_ports(host.get("PortBindings") or {}),
        volumes=_volumes(found.get("Mounts") or ()),
        restart=str((host.get("RestartPolicy") or {}).get("Name", "")),
        definition=definition_in(str(labels.get(DEFINITIONS_LABEL, "")), service),
    )


def _ports(bindings: Mapping[str, Any]) -> tuple[str, ...]:
    ports = {
        f"{bound['HostPort']}:{inside.partition('/')[0]}"
        for inside, host_side in bindings.items()
        for bound in host_side or ()
        if bound.get("HostPort")
    }
    return tuple(sorted(ports))


def _volumes(mounts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    names = {str(mount.get("Name", "")) for mount in mounts if mount.get("Type") == "volume"}
    return tuple(sorted(name for name in names if name and not _is_anonymous(name)))


def _is_anonymous(name: str) -> bool:
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)


def _version(said: str) -> str:
    lines = [line for line in said.splitlines() if "compose" in line.lower()]
    words = " ".join(lines).replace(",", " ").split()
    return next((word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit()), "")
