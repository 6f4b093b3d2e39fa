"""What an update goes to: a release, a kept version, or a commit; or why there is nothing to do."""

from pathlib import Path

from podup.core import releases as published
from podup.core.releases import Release, Verb
from podup.errors import NotFound, PodupError, Refused
from podup.records import dataclass
from podup.update import kept, remembered
from podup.update.journal import Build
from podup.update.places import Places, check_target
from podup.update.world import Checkout, Ground, Releases


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. `kept_version` goes back to a kept version instead of asking the release server.

    `is_automatic` obeys HOLD, windows, the canary share and what was put off; an operator's request does not.
    """

    tag: str = ""
    kept_version: str = ""
    dry_run: bool = False
    force: bool = False
    is_automatic: bool = False
    actor: str = "cli"
    reason: str = ""
    report: str = ""


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


def choose(ground: Ground, releases: Releases, request: Request, current: str) -> Chosen:
    """Return what an update goes to. Raises Skip with nothing to do, Refused, and what servers raise."""
    places = ground.places
    if ground.checkout is not None:
        return _choose_commit(places, ground.checkout, request.tag, request.kept_version)
    if request.kept_version:
        return _choose_kept(places, request.kept_version)
    return _choose_release(places, releases, request.tag, current, force=request.force)


def _choose_release(
    places: Places, releases: Releases, tag: str, current: str, *, force: bool
) -> Chosen:
    """Return the release of that tag, else the newest. Raises Skip, Refused, and what the server does."""
    release = releases.named(tag) if tag else releases.newest()
    choice = published.choose(
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


def _choose_kept(places: Places, wanted: str) -> Chosen:
    """Return a version that is kept here. Raises Skip, NotFound."""
    version, path = kept.find(places, wanted)
    if kept.digest(path) == kept.digest(places.target):
        raise Skip("up-to-date", f"{version} is the installed version")
    return Chosen(version, "", path=path)


def _choose_commit(places: Places, checkout: Checkout, tag: str, kept_version: str) -> Chosen:
    """Return the commit of that name, else the newest of the branch. Raises Skip, PodupError."""
    wanted = tag or kept_version
    current, commit = checkout.head(), checkout.fetch(wanted.rpartition("+g")[2])
    if commit.sha256 == current.sha256:
        raise Skip("up-to-date", f"{current.version} is the installed version", version=commit.version)
    why = remembered.load_rejected(places).reasons().get(commit.version)
    if why and not wanted:
        before = f"{commit.version} failed here before: {why}"
        hint = f"wait for the next commit, or: self-update rejected release {commit.version}"
        raise Skip("version-rejected", before, hint, version=commit.version)
    return Chosen(commit.version, "" if kept_version else commit.sha256, commit=commit)


def last_good(places: Places) -> str:
    """Return the version that ran well before the installed one; a rejected one did not.

    Raises NotFound `no-last-good`, Refused when nothing is installed.
    """
    check_target(places)
    if places.is_checkout:
        return _commit_before(places)
    current = kept.read_version(places.target)
    there = set(kept.versions(places)) - set(remembered.load_rejected(places).versions) - {current}
    for entry in remembered.history(places):
        if entry.outcome == "succeeded" and entry.after == current and entry.before in there:
            return entry.before
    raise NotFound("no-last-good", f"no version from before {current} is kept", "`history` shows them")


def _commit_before(places: Places) -> str:
    """Return the commit that was there before the last update that stayed."""
    for entry in remembered.history(places):
        if entry.outcome == "succeeded":
            return entry.before
    raise NotFound("no-last-good", "no update of this checkout is known", "`history` shows them")
