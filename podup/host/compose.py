"""Compose projects through whichever engine is there, and the containers and images below them.

The engine starts containers; all else is asked of `podman` or `docker` itself, because only they say how
things are. Failures are PodupErrors, those of a pull with the codes of `podup.net.registry`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from podup.errors import PodupError
from podup.host.arguments import image_argument
from podup.host.compose_arguments import (
    DEFINITIONS_LABEL,
    PROJECT_LABELS,
    SERVICE_LABEL,
    Place,
    config_argv,
    definition_in,
    scoped,
    up_argv,
)
from podup.host.compose_engines import EngineSearch
from podup.host.podman_answers import parse, pull_error, read_container, sha256_id
from podup.host.run import Command, Completed, Runner
from podup.patterns import regex
from podup.recipes.stack_facts import ComposeEngine, StackContainer, StackImage

ASK_TIMEOUT_S = 30.0
CHANGE_TIMEOUT_S = 120.0
_STOP_S = 30
_NO_IMAGE = regex(r"(\S+): (?:image|tag) not known|no such (?:image|object): (\S+)", re.IGNORECASE)
_IMAGE_FORM = "{{.Id}} {{json .RepoDigests}}"


class Compose:
    """The compose engine `search` finds.

    `manager` tells who gives scopes to started containers: `user`, `system`, or nobody when it is empty.
    What prints the environment of containers, secrets in it, runs over `private`: no log keeps its output.
    """

    def __init__(
        self, runner: Runner, search: EngineSearch, *, private: Runner, manager: Callable[[], str]
    ) -> None:
        self._runner = runner
        self._search = search
        self._private = private
        self._manager = manager
        self._has_scopes: bool | None = None

    @property
    def engine(self) -> ComposeEngine:
        """The compose engine. Raises Unavailable `no-compose-engine`."""
        return self._search.engine()

    @property
    def below(self) -> str:
        """The program of the container engine: `podman` or `docker`."""
        return self._search.containers()

    def prepare(self) -> None:
        """Learn whether scopes can be made from here; to be called before anything is taken down.

        They cannot where there is no manager, and where this process is outside the manager's own cgroups:
        then nothing of the manager's ends the containers either, so they are started plainly.
        """
        if self._has_scopes is None:
            manager = self._manager()
            probe = scoped(("true",), manager, "podup looks for scopes")
            asked = Command(probe, mutates=True, timeout_s=ASK_TIMEOUT_S)
            self._has_scopes = bool(manager) and self._runner.run(asked).ok

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
        manager = self._manager() if self._has_scopes else ""
        argv = scoped(
            up_argv(self.engine, place, services, definitions), manager, f"podup stack {place.project}"
        )
        done = self._private.run(Command(argv, mutates=True, timeout_s=timeout_s))
        return done.check("up-failed", f"{self.engine.name} up failed for {place.project}")

    def containers(self, project: str) -> tuple[StackContainer, ...]:
        """Return all containers of a project, stopped ones too."""
        ids = self.container_ids(project)
        return self._inspect(ids) if ids else ()

    def container_ids(self, project: str) -> tuple[str, ...]:
        """Return the ids of all containers of a project."""
        found = (self._ids(label, project) for label in PROJECT_LABELS)
        return next((ids for ids in found if ids), ())

    def remove_containers(self, ids: Sequence[str]) -> None:
        """Stop containers, with time to end well, and remove them; volumes stay, absent ones are fine."""
        if not ids:
            return
        stop = (self.below, "stop", "--time", str(_STOP_S), *ids)
        self._change(stop, "stop-failed", _STOP_S * (1 + len(ids)))
        depend = ("--depend",) if self.below == "podman" else ()
        self._change((self.below, "rm", "--force", *depend, *ids), "remove-failed")

    def logs(self, name: str, lines: int) -> str:
        """Return the newest lines of a container's log."""
        words = (self.below, "logs", f"--tail={lines}", name)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return (done.stdout + done.stderr).strip()

    def image(self, ref: str) -> StackImage:
        """Return the local image of a reference, without an id when there is none."""
        return self.images((ref,))[0]

    def images(self, refs: Sequence[str]) -> tuple[StackImage, ...]:
        """Return the local image of each reference, by one command: those there are come in this order."""
        if not refs:
            return ()
        words = (self.below, "image", "inspect", "--format", _IMAGE_FORM, *map(image_argument, refs))
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        missing = {name for pair in _NO_IMAGE.findall(done.stderr) for name in pair if name}
        here = [ref for ref in refs if ref not in missing]
        if not done.ok and not missing:
            done.check("image-not-read", f"images could not be inspected: {', '.join(refs)}")
        found = [_read_image(line) for line in done.stdout.splitlines() if line.strip()]
        if len(found) != len(here):
            raise PodupError("image-not-read", f"{self.below} told of {len(found)} images, not {len(here)}")
        known = dict(zip(here, found, strict=True))
        return tuple(known.get(ref, StackImage()) for ref in refs)

    def pull(self, ref: str, *, timeout_s: float, on_line: Callable[[str], None] | None = None) -> None:
        """Fetch an image under its name. Raises PodupError with a registry's code."""
        words = (self.below, "pull", image_argument(ref))
        done = self._runner.run(Command(words, mutates=True, timeout_s=timeout_s, on_line=on_line))
        if not done.ok:
            raise pull_error(ref, done)

    def tag(self, source: str, name: str) -> None:
        """Let `name` stand for the local image `source`."""
        self._change((self.below, "tag", image_argument(source), image_argument(name)), "tag-failed")

    def names_below(self, prefix: str) -> tuple[str, ...]:
        """Return the names of local images that begin with `prefix`."""
        form = "{{.Repository}}:{{.Tag}}"
        words = (self.below, "images", "--filter", f"reference={prefix}*", "--format", form)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        done.check("images-not-listed", "the local images could not be listed")
        return tuple(sorted({name for name in done.stdout.split() if name.startswith(prefix)}))

    def untag(self, name: str) -> None:
        """Take a name away; the image goes only when it was its last name and nothing uses it."""
        verb = ("untag", name, name) if self.below == "podman" else ("rmi", "--no-prune", name)
        self._change((self.below, *verb), "untag-failed")

    def networks(self) -> tuple[str, ...]:
        """Return the names of the networks there are."""
        words = (self.below, "network", "ls", "--format", "{{.Name}}")
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return tuple(done.check("networks-not-listed", "the networks could not be listed").stdout.split())

    def docker_store(self) -> str:
        """Return the directory docker keeps its images in, empty when it does not say."""
        words = ("docker", "info", "--format", "{{.DockerRootDir}}")
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return done.stdout.strip() if done.ok else ""

    def _ids(self, label: str, project: str) -> tuple[str, ...]:
        only = f"label={label}={project}"
        words = (self.below, "ps", "--all", "--quiet", "--no-trunc", "--filter", only)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return tuple(done.check("containers-not-listed", "the containers could not be listed").stdout.split())

    def _inspect(self, ids: Sequence[str]) -> tuple[StackContainer, ...]:
        words = (self.below, "container", "inspect", *ids)
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


def _read_image(line: str) -> StackImage:
    """Read what `_IMAGE_FORM` prints of an image."""
    image_id, _, digests = line.partition(" ")
    try:
        return StackImage(sha256_id(image_id), tuple(json.loads(digests) or ()))
    except ValueError:
        raise PodupError("image-not-read", f"what is told of an image is not understood: {line}") from None


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
