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
    NUMBER_LABEL,
    ONE_OFF_LABEL,
    PLACE_LABEL,
    PROJECT_LABEL,
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
from podup.records import replace

ASK_TIMEOUT_S = 30.0
CHANGE_TIMEOUT_S = 120.0
_STOP_S = 30
_NO_IMAGE = regex(r"(\S+): (?:image|tag) not known|no such (?:image|object): (\S+)", re.IGNORECASE)
_NOT_SET = regex(r'The \\?"([A-Za-z_][A-Za-z0-9_]*)\\?" variable is not set')
_IMAGE_FORM = "{{.Id}} {{json .RepoDigests}}"
_LABELS_FORM = "{{.Id}} {{json .Config.Labels}}"
_WRITTEN_LABELS = (PROJECT_LABEL, PLACE_LABEL, NUMBER_LABEL)
_BY_RUN = regex(r".*_tmp\d+")


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
        self._image_labels: dict[str, Mapping[str, str]] = {}

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

    def config(self, place: Place, variables: Mapping[str, str]) -> tuple[Any, tuple[str, ...]]:
        """Return the tree of the compose file as the engine reads it, and the variables it found not set.

        `variables` win over `.env`.
        """
        argv = config_argv(self.engine, place)
        done = self._private.run(Command(argv, mutates=False, timeout_s=ASK_TIMEOUT_S, env=variables))
        done.check(
            "compose-not-read", f"{self.engine.name} cannot read {place.path}", "mend the compose file"
        )
        try:
            return json.loads(done.stdout), tuple(sorted(set(_NOT_SET.findall(done.stderr))))
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
        """Return all containers of a project, stopped ones too, without those of a `run` by hand.

        Images built by compose bear its labels, and anybody may write them: the container has to bear one
        of what compose writes that its image does not.
        """
        found = self._inspect(self.container_ids(project))
        self._learn_labels({_image_id(one) for one in found} - {""})
        return tuple(read_stack_container(one) for one in found if self._is_service(one))

    def container_ids(self, project: str) -> tuple[str, ...]:
        """Return the ids of all containers with a project's label."""
        return self._ids(f"{PROJECT_LABEL}={project}")

    def projects_in(self, directory: str) -> tuple[str, ...]:
        """Return the projects whose containers were started from a directory."""
        found = self._inspect(self._ids(f"{PLACE_LABEL}={directory}"))
        return tuple(sorted({_labels(one).get(PROJECT_LABEL, "") for one in found} - {""}))

    def volumes(self, project: str) -> tuple[str, ...]:
        """Return the names of the volumes that were made for a project."""
        words = (self.below, "volume", "ls", "--quiet", "--filter", f"label={PROJECT_LABEL}={project}")
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return tuple(done.check("volumes-not-listed", "the volumes could not be listed").stdout.split())

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
        found = [StackImage(name, tuple(digests or ())) for name, digests in _lines(done)]
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

    def _ids(self, label: str) -> tuple[str, ...]:
        words = (self.below, "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}")
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return tuple(done.check("containers-not-listed", "the containers could not be listed").stdout.split())

    def _inspect(self, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        if not ids:
            return []
        words = (self.below, "container", "inspect", *ids)
        done = self._private.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        if not done.ok and "no such container" not in done.stderr.lower():
            done.check("containers-not-inspected", "the containers could not be inspected")
        return list(parse(done) or ())

    def _learn_labels(self, image_ids: set[str]) -> None:
        """Learn the labels of these images; asked once, images do not change."""
        unknown = sorted(image_ids - self._image_labels.keys())
        if not unknown:
            return
        words = (self.below, "image", "inspect", "--format", _LABELS_FORM, *unknown)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        if not done.ok and not _NO_IMAGE.search(done.stderr):
            done.check("image-not-read", "the images of containers could not be inspected")
        told = {name: labels or {} for name, labels in _lines(done)}
        self._image_labels = {**self._image_labels, **told}  # others may be reading it

    def _is_service(self, found: Mapping[str, Any]) -> bool:
        labels, of_image = _labels(found), self._image_labels.get(_image_id(found), {})
        is_by_run = labels.get(ONE_OFF_LABEL) == "True" or _BY_RUN.fullmatch(str(found.get("Name", "")))
        return not is_by_run and any(labels.get(name) != of_image.get(name) for name in _WRITTEN_LABELS)

    def _change(self, argv: tuple[str, ...], code: str, timeout_s: float = CHANGE_TIMEOUT_S) -> None:
        done = self._runner.run(Command(argv, mutates=True, timeout_s=timeout_s))
        if not done.ok and "no such container" in done.stderr.lower():
            return
        done.check(code, f"{' '.join(argv[:2])} failed")


def read_stack_container(found: Mapping[str, Any]) -> StackContainer:
    """Read an element of `podman container inspect` or `docker container inspect`."""
    state, config, host = (found.get(key) or {} for key in ("State", "Config", "HostConfig"))
    labels = _labels(found)
    told = {**found, "Name": str(found.get("Name", "")).lstrip("/")}
    told.setdefault("ImageName", config.get("Image", ""))
    if str(state.get("Status", "")) == "restarting":
        told["State"] = {**state, "Running": False}
    service = str(labels.get(SERVICE_LABEL, ""))
    read = read_container(told)
    is_podmans = "ImageName" in found
    return StackContainer(
        service=service,
        state=replace(read, check=replace(read.check, is_askable=is_podmans)),
        ports=_ports(host.get("PortBindings") or {}),
        volumes=_volumes(found.get("Mounts") or ()),
        unnamed=_unnamed(found.get("Mounts") or ()),
        restart=str((host.get("RestartPolicy") or {}).get("Name", "")),
        definition=definition_in(str(labels.get(DEFINITIONS_LABEL, "")), service),
    )


def _lines(done: Completed) -> list[tuple[str, Any]]:
    """Read what a form of an image's id and one more thing prints, a line for each image."""
    pairs = (line.partition(" ") for line in done.stdout.splitlines() if line.strip())
    try:
        return [(sha256_id(image_id), json.loads(told)) for image_id, _, told in pairs]
    except ValueError:
        says = f"what is told of images is not understood: {done.stdout[:200]}"
        raise PodupError("image-not-read", says) from None


def _image_id(found: Mapping[str, Any]) -> str:
    return sha256_id(str(found.get("Image", "")))


def _ports(bindings: Mapping[str, Any]) -> tuple[str, ...]:
    ports = {
        f"{bound['HostPort']}:{inside.partition('/')[0]}"
        for inside, host_side in bindings.items()
        for bound in host_side or ()
        if bound.get("HostPort")
    }
    return tuple(sorted(ports))


def _volumes(mounts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of volumes, and the paths of this machine, that are mounted to be written to."""
    names = {str(mount.get("Name", "")) for mount in mounts if mount.get("Type") == "volume"}
    bound = {
        str(mount.get("Source", ""))
        for mount in mounts
        if mount.get("Type") == "bind" and mount.get("RW", True)
    }
    return tuple(sorted(name for name in names | bound if name and not _is_unnamed(name)))


def _unnamed(mounts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return SOURCE:TARGET of volumes that only this container knows."""
    found = {
        f"{mount.get('Source', '')}:{mount.get('Destination', '')}"
        for mount in mounts
        if _is_unnamed(str(mount.get("Name", "")))
    }
    return tuple(sorted(found))


def _is_unnamed(name: str) -> bool:
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)


def _labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    return (found.get("Config") or {}).get("Labels") or {}
