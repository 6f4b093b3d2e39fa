"""The routes about the program's own version: what runs, what there is, update and going back."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from podup.errors import Invalid, Refused
from podup.late import late
from podup.records import asdict, dataclass
from podup.server.request import Request
from podup.server.response import Response, answer
from podup.server.router import Route, Who
from podup.update import checkout, journal, remembered
from podup.update.journal import Damaged, Record
from podup.update.places import Places, check_target
from podup.version import COMMIT, VERSION

if TYPE_CHECKING:
    from podup.update import assemble, chain, choosing, kept, launch
else:
    assemble = late("podup.update.assemble")
    chain = late("podup.update.chain")
    choosing = late("podup.update.choosing")
    kept = late("podup.update.kept")
    launch = late("podup.update.launch")

_SHOWN_HISTORY = 100


@dataclass(frozen=True, slots=True)
class RunBody:
    """What to update to; without `to`, to the newest release of the channel."""

    to: str = ""
    dry_run: bool = False
    force: bool = False
    caller: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BackBody:
    """Where to go back to: a kept version or its SHA-256, or the one that ran well before."""

    version: str = ""
    last_good: bool = False
    dry_run: bool = False
    caller: str = ""
    reason: str = ""


class UpdateRoutes:
    """Asks for what `podup.update` does. `parts` builds it anew for each request."""

    def __init__(self, parts: "Callable[[], assemble.Parts]") -> None:
        self._parts = parts

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        base = "/api/self-update"
        return (
            Route("GET", base, "How the program's own updates stand.", Who.ADMIN, self.show),
            Route("GET", "/api/version/check", "Whether there is a newer release.", Who.ADMIN, self.check),
            Route(
                "POST", f"{base}/run", "Update the program.", Who.ADMIN, self.run, effect=True, body=RunBody
            ),
            Route(
                "POST",
                f"{base}/rollback",
                "Go back to a kept version of the program.",
                Who.ADMIN,
                self.go_back,
                effect=True,
                body=BackBody,
            ),
        )

    def show(self, request: Request) -> Response:
        parts = self._parts()
        places = checkout.places_of(parts.loaded)
        updates = parts.loaded.settings.updates
        history = remembered.history(places)[:_SHOWN_HISTORY]
        rejected = remembered.load_rejected(places).versions
        return answer(
            {
                "version": VERSION,
                "commit": COMMIT,
                "installed": kept.installed(places),
                "problem": _problem(places),
                "transaction": _transaction(places),
                "hold": remembered.hold_reason(places),
                "history": [asdict(entry) for entry in history],
                "kept": kept.versions(places),
                "rejected": [{"version": version, **asdict(one)} for version, one in rejected.items()],
                "repo": updates.repo,
                "channel": updates.channel,
                "cron": updates.cron,
            }
        )

    def check(self, request: Request) -> Response:
        parts = self._parts()
        ground = assemble.ground_of(parts)
        tag = checkout.asked_for(parts.loaded.environment, parts.loaded.settings.updates.tag)
        releases = assemble.releases_of(parts, ground, dry_run=False)
        seen = chain.check(ground, releases, choosing.Request(tag=tag))
        return answer(
            {
                "current": VERSION,
                "newest": seen.newest,
                "update_available": seen.is_available,
                "reason": seen.why,
            }
        )

    def run(self, request: Request) -> Response:
        asked: RunBody = request.data
        loaded = self._parts().loaded
        wanted = choosing.Request(
            tag=checkout.asked_for(loaded.environment, asked.to or loaded.settings.updates.tag),
            dry_run=asked.dry_run,
            force=asked.force,
            actor=asked.caller or "api",
            reason=asked.reason,
        )
        return self._start(wanted)

    def go_back(self, request: Request) -> Response:
        asked: BackBody = request.data
        if bool(asked.version) == asked.last_good:
            raise Invalid(
                "no-version", "name a version, or ask for the last good one", "GET /api/self-update"
            )
        places = checkout.places_of(self._parts().loaded)
        version = choosing.last_good(places) if asked.last_good else asked.version
        if not places.is_checkout:
            kept.find(places, version)
        wanted = choosing.Request(
            kept_version=version,
            dry_run=asked.dry_run,
            force=True,
            actor=asked.caller or "api",
            reason=asked.reason,
        )
        return self._start(wanted)

    def _start(self, wanted: "choosing.Request") -> Response:
        started = launch.start(self._parts(), wanted)
        return answer({"status": "started", "txid": started.txid, "dry_run": wanted.dry_run}, status=202)


def _problem(places: Places) -> dict[str, str] | None:
    """Return why no update can be put in place, None when one can."""
    try:
        check_target(places)
        kept.read_version(places.target)
    except Refused as error:
        return {"code": error.code, "message": error.message, "hint": error.hint}
    return None


def _transaction(places: Places) -> dict[str, object] | None:
    seen = journal.load(places.journal)
    if seen is None:
        return None
    if isinstance(seen, Damaged):
        return {"state": "damaged", "message": seen.why}
    return _shown(seen)


def _shown(record: Record) -> dict[str, object]:
    return {
        "txid": record.txid,
        "state": record.state.value,
        "from": record.before.version,
        "to": record.after.version,
        "started_at": record.started_at,
        "actor": record.actor,
        "reason": record.reason,
        "message": record.message,
    }
