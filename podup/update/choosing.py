"""What an update goes to: a release, a kept version, or a commit; or why there is nothing to do."""

from pathlib import Path

from podup.core.releases import Release, Verb, choose
from podup.errors import PodupError, Refused
from podup.records import dataclass
from podup.update import kept, remembered
from podup.update.journal import Build
from podup.update.places import Places
from podup.update.world import Checkout, Releases

REJECTED_HINT = "see: self-update rejected list"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The program to go to: from the release server, a kept file, or a commit of the checkout."""

    version: str
    tag: str
    release: Release | None = None
    path: Path | None = None
    commit: Build | None = None


class Skip(PodupError):
    """Nothing is to be done, and that is fine; `version` is what was found, where something was."""

    def __init__(self, code: str, message: str, hint: str = "", *, version: str = "") -> None:
        super().__init__(code, message, hint)
        self.version = version


def choose_release(
    places: Places, releases: Releases, tag: str, current: str, *, force: bool
) -> Chosen:
    """Return the release of that tag, else the newest. Raises Skip, Refused, and what the server does."""
    release = releases.named(tag) if tag else releases.newest()
    choice = choose(
        release,
        current=current,
        rejected=remembered.load_rejected(places).reasons(),
        by_tag=bool(tag),
        force=force,
    )
    version = str(choice.release.version) if choice.release else ""
    if choice.verb is Verb.UP_TO_DATE:
        raise Skip("up-to-date", choice.reason, version=version)
    if choice.code == "version-rejected":
        raise Skip(choice.code, choice.reason, choice.hint, version=version)
    if choice.verb is Verb.REFUSE or choice.release is None:
        raise Refused(choice.code, choice.reason, choice.hint)
    return Chosen(version, choice.release.tag, release=choice.release)


def choose_kept(places: Places, wanted: str) -> Chosen:
    """Return a version that is kept here. Raises Skip, NotFound."""
    version, path = kept.find(places, wanted)
    if kept.digest(path) == kept.digest(places.target):
        raise Skip("up-to-date", f"{version} is the installed version")
    return Chosen(version, "", path=path)


def choose_commit(places: Places, checkout: Checkout, tag: str, kept_version: str) -> Chosen:
    """Return the commit of that name, else the newest of the branch. Raises Skip, PodupError."""
    wanted = tag or kept_version
    current, commit = checkout.head(), checkout.fetch(wanted.rpartition("+g")[2])
    if commit.sha256 == current.sha256:
        raise Skip("up-to-date", f"{current.version} is the installed version", version=commit.version)
    why = remembered.load_rejected(places).reasons().get(commit.version)
    if why and not wanted:
        before = f"{commit.version} failed here before: {why}"
        raise Skip("version-rejected", before, REJECTED_HINT, version=commit.version)
    return Chosen(commit.version, "" if kept_version else commit.sha256, commit=commit)
