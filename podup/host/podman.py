"""Podman through its command line, from 4.3 (Debian 12) on; `podman_answers` reads what it prints.

Registries are reached with podman's own credentials. Nothing is ever removed by force. Failures are
PodupErrors; those of a pull have the codes of `podup.net.registry`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from podup.core.unit_files import UNIT_LABEL
from podup.errors import NotFound, Unavailable
from podup.host.arguments import container_argument, image_argument, unit_argument
from podup.host.podman_answers import (
    ListedContainer,
    claimed_units,
    health_command,
    parse,
    pull_error,
    read_container,
    read_image,
    read_listed,
    read_outlook,
    repository_of,
    sha256_id,
)
from podup.host.run import Command, Completed, Runner
from podup.recipes.actions import PULL_TIMEOUT_S
from podup.recipes.facts import AutoUpdateRow, ContainerState, DiskSpace, LocalImage, Probed
from podup.records import replace

ASK_TIMEOUT_S = 30.0
CHANGE_TIMEOUT_S = 60.0
AUTO_UPDATE_TIMEOUT_S = 300.0
_NO_IMAGE = ("image not known", "no such image", "tag not known")
_MANY_NAMES = ("more than one tag",)
_NO_CONTAINER = ("no such container", "no container with")


class Podman:
    """The podman of the user the runner's commands run as.

    `graph_root` is where images are kept, and `claims` are units that images name in labels of their own,
    as far as both are known: asking podman takes longer than most of what it does.
    """

    def __init__(
        self, runner: Runner, *, graph_root: str = "", claims: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._runner = runner
        self.known_graph_root = graph_root
        self._claims = dict(claims)

    @property
    def known_claims(self) -> tuple[tuple[str, str], ...]:
        """Image ids, each with the unit it names in a label of its own, mostly none; they never change."""
        return tuple(sorted(self._claims.items()))

    def version(self) -> str:
        """Return podman's version, `4.3.1`; raises Unavailable when it cannot be run."""
        words = self._ask("--version").stdout.split()
        return words[2] if len(words) > 2 else ""

    def graph_root(self) -> str:
        """Return where images are kept; asked once, which also proves that the storage can be opened."""
        if not self.known_graph_root:
            told = self._json("info", "--format", "json") or {}
            self.known_graph_root = str((told.get("store") or {}).get("graphRoot", ""))
        return self.known_graph_root

    def disk(self, path: str = "") -> DiskSpace:
        """Return the room at `path`, or where the images are (df(1), POSIX form)."""
        place = path or self.graph_root()
        asked = Command(("df", "-P", "-k", "--", place), mutates=False, timeout_s=ASK_TIMEOUT_S)
        done = self._runner.run(asked)
        done.check("disk-unknown", f"the room at {place} could not be read")
        fields = done.stdout.splitlines()[-1].split()
        return DiskSpace(place, free_bytes=int(fields[3]) * 1024, total_bytes=int(fields[1]) * 1024)

    def containers(self, *, unit: str = "") -> tuple[ListedContainer, ...]:
        """Return all containers, stopped ones too, or those a systemd unit runs.

        podman labels a container with the unit it was started in, which wins over a label of the image. A
        unit that only the image names proves nothing: whoever builds an image may write any name there.
        """
        only = ("--filter", f"label={UNIT_LABEL}={unit_argument(unit)}") if unit else ()
        rows = self._json("ps", "--all", *only, "--format", "json") or ()
        listed = [read_listed(row) for row in rows]
        self._learn_claims({one.image_id for one in listed if one.unit and one.image_id})
        known = [
            replace(one, unit="") if one.unit == self._claims.get(one.image_id) else one for one in listed
        ]
        return tuple(one for one in known if one.unit == unit or not unit)

    def container_of(self, unit: str, *, name: str = "") -> ContainerState | None:
        """Return the container `unit` runs: the running one, else the newest; by label, else by `name`."""
        found = [listed for listed in self.containers(unit=unit) if not listed.is_infra]
        if found:
            newest = max(found, key=lambda listed: (listed.status == "running", listed.created_at))
            return self.container(newest.id)
        return self.container(name) if name else None

    def container(self, name: str) -> ContainerState | None:
        """Return the container of this name or id, or None when there is none."""
        words = ("container", "inspect", container_argument(name))
        done = self._run(words, mutates=False, timeout_s=ASK_TIMEOUT_S)
        if not done.ok and _says(done, _NO_CONTAINER):
            return None
        found = parse(done.check("podman-failed", f"container {name} could not be inspected"))
        return read_container(found[0])

    def check_health(self, name: str) -> Probed:
        """Make the container's own health check now; one that passes is told to podman as well.

        It is tried inside the container first, because podman counts what it makes itself: a failure too
        many, and it does what the unit wants done on failure. Raises PodupError when there is no container.
        """
        words = ("container", "inspect", container_argument(name))
        done = self._run(words, mutates=False, timeout_s=ASK_TIMEOUT_S)
        found = parse(done.check("podman-failed", f"container {name} could not be inspected"))
        test, timeout_s = health_command(found[0])
        if not test:
            return Probed(False, f"container {name} has no health check")
        timeout_s = min(timeout_s or ASK_TIMEOUT_S, ASK_TIMEOUT_S)
        tried = self._run(("exec", container_argument(name), *test), mutates=False, timeout_s=timeout_s)
        if not tried.ok:
            return Probed(False, f"the health check failed: exit {tried.exit}")
        words = ("healthcheck", "run", container_argument(name))
        told = self._run(words, mutates=True, timeout_s=timeout_s)
        told.check("check-failed", f"the health check of {name} passed, and then failed")
        return Probed(True, "the health check passed")

    def image(self, ref: str) -> LocalImage | None:
        """Return the local image `ref` (name, digest or id) stands for, or None when there is none."""
        words = ("image", "inspect", image_argument(ref))
        done = self._run(words, mutates=False, timeout_s=ASK_TIMEOUT_S)
        if not done.ok and _says(done, _NO_IMAGE):
            return None
        found = parse(done.check("podman-failed", f"image {ref} could not be inspected"))
        return read_image(found[0])

    def images_of(self, repositories: Sequence[str]) -> tuple[LocalImage, ...]:
        """Return the local images that are, or before they lost their names were, of these repositories."""
        wanted = set(repositories)
        images: dict[str, LocalImage] = {}
        for row in self._json("images", "--no-trunc", "--format", "json") or ():
            image = read_image(row)
            known_as = (*image.names, *image.repo_digests) or tuple(row.get("History") or ())
            if any(repository_of(name) in wanted for name in known_as):
                images.setdefault(image.id, image)
        return tuple(images.values())

    def pull(
        self,
        ref: str,
        *,
        timeout_s: float = PULL_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Fetch `ref` and return the image's id; `on_line` hears podman's progress.

        Raises PodupError with a registry's code, or `disk-full`, `pull-timeout`, `pull-failed`.
        """
        words = ("pull", image_argument(ref))
        done = self._run(words, mutates=True, timeout_s=timeout_s, on_line=on_line)
        if done.ok:
            lines = done.stdout.split()
            return sha256_id(lines[-1]) if lines else ""
        raise pull_error(ref, done)

    def tag(self, source: str, name: str) -> None:
        """Let `name` stand for the local image `source`; raises NotFound `image-not-local`."""
        words = ("tag", image_argument(source), image_argument(name))
        done = self._run(words, mutates=True, timeout_s=CHANGE_TIMEOUT_S)
        if not done.ok and _says(done, _NO_IMAGE):
            raise NotFound("image-not-local", f"{source} is not among the local images")
        done.check("tag-failed", f"{source} could not be tagged {name}")

    def untag(self, name: str) -> None:
        """Take the tag `name` away and leave the image; a tag that is not there is fine."""
        words = ("untag", image_argument(name), image_argument(name))
        done = self._run(words, mutates=True, timeout_s=CHANGE_TIMEOUT_S)
        if not done.ok and not _says(done, _NO_IMAGE):
            done.check("untag-failed", f"the tag {name} could not be removed")

    def remove_image(self, image_id: str) -> None:
        """Delete an image that no container uses and that has one tag at most; an absent one is fine.

        The digests it was pulled by are names too, and podman wants at most one: further ones are let go.
        """
        words = ("rmi", image_argument(image_id))
        done = self._run(words, mutates=True, timeout_s=CHANGE_TIMEOUT_S)
        if not done.ok and _says(done, _MANY_NAMES):
            image = self.image(image_id)
            if image is not None and image.is_dangling:
                for name in image.repo_digests[1:]:
                    self.untag(name)
                done = self._run(words, mutates=True, timeout_s=CHANGE_TIMEOUT_S)
        if not done.ok and not _says(done, _NO_IMAGE):
            done.check("image-not-removed", f"image {image_id} could not be removed")

    def logs(self, name: str, *, lines: int) -> str:
        """Return the newest lines of a container's log, empty when there is no such container."""
        words = ("logs", f"--tail={lines}", container_argument(name))
        done = self._run(words, mutates=False, timeout_s=ASK_TIMEOUT_S)
        return "" if _says(done, _NO_CONTAINER) else (done.stdout + done.stderr).strip()

    def auto_update_outlook(self) -> tuple[AutoUpdateRow, ...]:
        """Return what `podman auto-update` would do now; asks the registries, changes nothing."""
        words = ("auto-update", "--dry-run", "--format", "json")
        done = self._run(words, mutates=False, timeout_s=AUTO_UPDATE_TIMEOUT_S)
        if not done.stdout.strip().startswith("["):
            done.check("auto-update-failed", "podman auto-update could not look")
        return tuple(read_outlook(row) for row in parse(done) or ())

    def _learn_claims(self, image_ids: set[str]) -> None:
        """Learn which units these images name in labels of their own; asked once, images do not change."""
        unknown = sorted(image_ids - self._claims.keys())
        if unknown:
            done = self._run(("image", "inspect", *unknown), mutates=False, timeout_s=ASK_TIMEOUT_S)
            if not done.ok and not _says(done, _NO_IMAGE):
                done.check("podman-failed", "the images of containers could not be inspected")
            self._claims = {**self._claims, **claimed_units(parse(done) or ())}  # others may be reading it

    def _ask(self, *words: str) -> Completed:
        done = self._run(words, mutates=False, timeout_s=ASK_TIMEOUT_S)
        return done.check("podman-failed", f"podman {words[0]} failed")

    def _json(self, *words: str) -> Any:
        return parse(self._ask(*words))

    def _run(
        self,
        words: Sequence[str],
        *,
        mutates: bool,
        timeout_s: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        asked = Command(("podman", *words), mutates=mutates, timeout_s=timeout_s, on_line=on_line)
        done = self._runner.run(asked)
        if done.exit == 127:
            raise Unavailable("podman-missing", done.stderr, "Install podman, or put it on the PATH.")
        return done


def _says(done: Completed, words: Sequence[str]) -> bool:
    said = done.stderr.lower()
    return any(word in said for word in words)
