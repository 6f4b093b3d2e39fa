"""What outlives a self-update: rejected versions, attempts, HOLD, and the history.

`rejected.json` holds the versions that failed here and why, how often a version was attempted (written
before the attempt), and the version that was put off last. `HOLD.json` stops all automatic updates until an
operator clears it. The history is one line a transaction. A file damaged from outside is set aside and begun
anew: remembering must never be what keeps a machine from its way back.
"""

import json
from math import ceil
from pathlib import Path
from typing import Any

from podup.errors import NotFound
from podup.files import append_line, durable_write, remove, rename, sync_dir
from podup.records import asdict, dataclass, field, fields, replace
from podup.update.places import Places
from podup.update.states import again_after_s

CLEAR_HOLD = "see `history` and the service's log, then: pod-upgrade-trigger self-update --clear-hold"
_LONGEST_TEXT = 400


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why and when (Unix seconds) a version was rejected."""

    reason: str
    at: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class PutOff:
    """A version to be tried again: how often it was put off, how often in doubt, when last, and why."""

    version: str = ""
    count: int = 0
    in_doubt: int = 0
    at: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """All of `rejected.json`."""

    versions: dict[str, Rejection] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    put_off: PutOff = PutOff()

    def reasons(self) -> dict[str, str]:
        """Return version -> reason."""
        return {version: rejection.reason for version, rejection in self.versions.items()}


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One ended transaction; `outcome` is a value of `states.End`."""

    txid: str
    at: int
    before: str
    after: str
    sha256: str
    outcome: str
    actor: str = ""
    reason: str = ""
    code: str = ""
    message: str = ""


def load_rejected(places: Places) -> Rejected:
    """Return what is remembered; a damaged file is set aside by the next write, and empty until then."""
    body = _read(places.rejected)
    try:
        versions = {
            str(version): Rejection(str(one["reason"]), int(one["at"]), str(one.get("sha256", "")))
            for version, one in body.get("versions", {}).items()
        }
        attempts = {str(version): int(count) for version, count in body.get("attempts", {}).items()}
        late = {"version": "", "reason": "", "count": 0, "in_doubt": 0, "at": 0, **body.get("put_off", {})}
        numbers = {name: int(late[name]) for name in ("count", "in_doubt", "at")}
        put_off = PutOff(version=str(late["version"]), reason=str(late["reason"]), **numbers)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return Rejected()
    return Rejected(versions, attempts, put_off)


def reject(places: Places, version: str, rejection: Rejection) -> None:
    """Remember that this version failed here; the first reason stays."""
    seen = load_rejected(places)
    if version not in seen.versions:
        short = replace(rejection, reason=rejection.reason[:_LONGEST_TEXT])
        _write_rejected(places, replace(seen, versions={**seen.versions, version: short}))


def release(places: Places, version: str) -> None:
    """Forget a rejection and the attempts. Raises NotFound `version-not-rejected`."""
    seen = load_rejected(places)
    if version not in seen.versions:
        known = ", ".join(seen.versions) or "none"
        raise NotFound("version-not-rejected", f"{version} is not rejected", f"rejected: {known}")
    forget(places, version)


def try_again(version: str) -> str:
    """Return what to do about a rejected version."""
    return f"it is not tried again; when the cause was elsewhere: self-update rejected release {version}"


def forget(places: Places, version: str) -> None:
    """Forget all about a version; without effect when nothing is known."""
    seen = load_rejected(places)
    is_put_off = version == seen.put_off.version
    if version in seen.versions or version in seen.attempts or is_put_off:
        versions = {name: one for name, one in seen.versions.items() if name != version}
        attempts = {name: count for name, count in seen.attempts.items() if name != version}
        _write_rejected(places, Rejected(versions, attempts, PutOff() if is_put_off else seen.put_off))


def times_put_off(places: Places, version: str) -> PutOff:
    """Return what is remembered of putting this version off."""
    seen = load_rejected(places).put_off
    return seen if seen.version == version else PutOff(version)


def put_off(places: Places, version: str, reason: str, now: int, *, in_doubt: bool) -> PutOff:
    """Remember that this version is to be tried again later; return what is remembered now."""
    seen = times_put_off(places, version)
    made = PutOff(version, seen.count + 1, seen.in_doubt + in_doubt, now, reason[:_LONGEST_TEXT])
    _write_rejected(places, replace(load_rejected(places), put_off=made))
    return made


def why_not_yet(places: Places, version: str, now: int) -> str:
    """Return why an automatic update still leaves a version alone that was put off, else empty."""
    seen = times_put_off(places, version)
    wait_s = again_after_s(seen.count)
    left_s = seen.at + wait_s - now
    if not seen.count or not 0 < left_s <= wait_s:  # a clock that was set back keeps nothing off
        return ""
    return f"{version} was put off, for another {minutes(left_s)}: {seen.reason}"


def minutes(seconds: float) -> str:
    """Return a time for a person to read."""
    return f"{ceil(seconds / 60)} min"


def count_attempt(places: Places, version: str) -> int:
    """Count one more attempt, durably, before it is made; return how many that makes."""
    seen = load_rejected(places)
    count = seen.attempts.get(version, 0) + 1
    _write_rejected(places, replace(seen, attempts={**seen.attempts, version: count}))
    return count


def hold_reason(places: Places) -> str:
    """Return why automatic updates are held, empty when they are not."""
    if not places.hold.exists():
        return ""
    return str(_read(places.hold).get("reason") or "an update failed and could not be taken back cleanly")


def set_hold(places: Places, reason: str, at: int) -> None:
    """Stop all automatic updates until an operator clears it."""
    body = {"reason": reason[:_LONGEST_TEXT], "at": at}
    durable_write(places.hold, json.dumps(body).encode() + b"\n")


def clear_hold(places: Places) -> bool:
    """Let updates go on; return whether there was a hold."""
    if not places.hold.exists():
        return False
    remove(places.hold, missing_ok=True)
    sync_dir(places.hold.parent)
    return True


def add_history(places: Places, entry: HistoryEntry) -> None:
    """Append one line, once for a transaction."""
    if any(known.txid == entry.txid for known in history(places)):
        return
    short = replace(entry, reason=entry.reason[:_LONGEST_TEXT], message=entry.message[:_LONGEST_TEXT])
    append_line(places.history, json.dumps(asdict(short), ensure_ascii=True))


def history(places: Places) -> list[HistoryEntry]:
    """Return all ended transactions, newest first; lines that make no sense are left out."""
    try:
        lines = places.history.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        try:
            body = json.loads(line)
            names = [f.name for f in fields(HistoryEntry)]
            entries.append(HistoryEntry(**{name: body[name] for name in names if name in body}))
        except (ValueError, TypeError, RecursionError):
            continue
    return entries[::-1]


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _write_rejected(places: Places, rejected: Rejected) -> None:
    if places.rejected.exists() and not _read(places.rejected):
        rename(places.rejected, places.rejected.with_suffix(".damaged"))
    body = json.dumps(asdict(rejected), indent=1, sort_keys=True)
    durable_write(places.rejected, body.encode() + b"\n")
