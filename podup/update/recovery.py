"""Ending transactions: commit, take back, abort, hold; and finding out which of them is due.

The caller holds the update's lock. Each function can be run again after it was killed anywhere. Nothing
here starts or stops the service: that is the chain's business, or nobody's when recovery runs before it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from podup.core.versions import parse_version
from podup.errors import Busy, PodupError, Unavailable
from podup.files import FileLock, holder, remove
from podup.records import dataclass, replace
from podup.update import journal, kept, remembered, reports, swap
from podup.update.journal import Build, Damaged, Record
from podup.update.states import UNTOUCHED, Act, End, State, decide_recovery, is_given_up
from podup.update.world import Ground

INTERRUPTED = "interrupted"
TRIAL_FAILED = "trial-failed"
_TRY_AGAIN_S = 1.0
_KEPT_BACKUPS = 3


@dataclass(frozen=True, slots=True)
class Ended:
    """How a transaction ended, with its last record."""

    end: End
    record: Record


def due(ground: Ground, record: Record, *, is_lock_held: bool) -> Act:
    """Return what recovery has to do about `record`."""
    return decide_recovery(
        record.state,
        is_lock_held=is_lock_held,
        may_start=record.may_start,
        is_target_old=record.state in UNTOUCHED and is_target_old(ground, record),
        tries=record.tries,
    )


def is_target_old(ground: Ground, record: Record) -> bool:
    """Return whether the program from before stands where the service starts it."""
    return _standing(ground) == record.before.sha256


def load_or_make(ground: Ground) -> Record | None:
    """Return the record; for a damaged one, set aside, what is to be done instead (None: nothing).

    The known good program goes with the database it worked with. When that was migrated and has taken nothing
    since, the newest backup is the one the lost journal named: the service takes no write while on trial.
    """
    places = ground.places
    seen = journal.load(places.journal)
    if not isinstance(seen, Damaged):
        return seen
    ground.log(f"the journal is set aside: {seen.why}")
    journal.set_aside(places.journal)
    good = kept.good(places)
    present = _standing(ground)
    backup = None if good is None else swap.backup_of_trial(places, ground.database, good)
    is_good = good is not None and present == good.sha256 and ground.checkout is None and backup is None
    if good is None or is_good:
        swap.clean(places, keep_backups=_KEPT_BACKUPS)
        return None
    made = Record(
        txid=f"recovered-{present[:10]}",
        state=State.ROLLING_BACK,
        before=good,
        after=Build("", present),
        backup=backup,
        started_at=int(ground.clock.now()),
        runner_pid=ground.pid,
        code="journal-damaged",
        message=f"the journal could not be read ({seen.why}), and the program is not known good",
    )
    return journal.store(places.journal, made)


def abort(ground: Ground, record: Record, error: PodupError, *, end: End = End.ABORTED) -> Ended:
    """End a transaction that has touched nothing but new files."""
    record = replace(record, code=record.code or error.code, message=record.message or error.message)
    return _finish(ground, record, end)


def commit(ground: Ground, record: Record) -> Ended:
    """End a transaction whose program was judged well: it is kept, and known good from now on."""
    places = ground.places

    def keep() -> None:
        if ground.checkout is None:
            protected = (record.before.version, record.after.version)
            kept.keep(places, places.target, record.after)
            kept.set_good(places, record.after)
            kept.prune(places, keep_count=ground.keep_versions, protected=protected)
        else:
            kept.note_good(places, record.after)
        remembered.forget(places, record.after.version)
        _remember_going_back(ground, record)

    _patiently(ground, keep)
    return _finish(ground, record, End.SUCCEEDED)


def begin_to_take_back(ground: Ground, record: Record, *, code: str, message: str) -> Record:
    """Count the try and close the door before anything is stopped: a start now waits for the old program.

    A full disk must not keep the old program away. SWITCHING and TRIAL are taken back as well, so the
    journal on the disk stays right; room is made, and the next write may succeed.
    """
    path = ground.places.journal
    wanted = replace(
        record,
        state=State.ROLLING_BACK,
        may_start=False,
        tries=record.tries + 1,
        code=record.code or code,
        message=record.message or message,
    )
    try:
        return journal.store(path, wanted)
    except Unavailable:
        swap.clean(ground.places, keep_backups=1, spare=record.backup)
        return journal.store(path, wanted)


def take_back(ground: Ground, record: Record) -> Record:
    """Put program and database back, remember why, and let the service start. Nothing of it may run.

    Raises PodupError when the way back is blocked; then nothing was lost, and a later try may do it.
    """
    places = ground.places
    _remember_failure(ground, record)
    _put_back(ground, record)
    with daemon_lock(ground):
        if swap.restore(places, ground.database, record):
            ground.log("the database from before the update is back")
    return journal.store(places.journal, replace(record, may_start=True))


def end_taken_back(ground: Ground, record: Record) -> Ended:
    """End a transaction whose old program runs again."""
    return _finish(ground, record, End.ROLLED_BACK)


def hold(ground: Ground, record: Record, *, start: Callable[[], None] = lambda: None) -> Ended:
    """Give up: the known good program stays, and no automatic update runs until an operator says so.

    `start` starts the service, once its files are in place and while the journal still speaks for it.
    """
    places = ground.places
    why = f"{record.after.version or 'an update'} could not be taken back cleanly: {record.message}"
    _put_back(ground, record)
    remembered.set_hold(places, why, int(ground.clock.now()))
    ground.log(f"ERROR_SYSTEM: {why}; updates are on hold until: self-update --clear-hold")
    record = journal.store(places.journal, replace(record, state=State.ROLLING_BACK, may_start=True))
    start()
    return _finish(ground, record, End.HELD)


@contextmanager
def daemon_lock(ground: Ground, *, wait_s: float = 20.0) -> Iterator[None]:
    """Hold the database writer's lock, waiting a bounded time for a holder on its way out.

    Raises Busy `daemon-still-running`, naming the holder.
    """
    lock = FileLock(ground.places.daemon_lock, what="self-update")
    deadline = ground.clock.monotonic() + wait_s
    while not lock.acquire():
        if ground.clock.monotonic() >= deadline:
            message = f"the database is still in use by {holder(lock.path) or 'another process'}"
            raise Busy("daemon-still-running", message, "stop it and try again")
        ground.clock.sleep(0.02)
    try:
        yield
    finally:
        lock.release()


def _put_back(ground: Ground, record: Record) -> None:
    if ground.checkout is not None:
        ground.checkout.restore(record.before, record.after, record.started_at)
        return
    swap.switch_back(ground.places, record.before)
    if record.after.version != record.before.version:
        remove(kept.path_of(ground.places, record.after.version), missing_ok=True)


def _standing(ground: Ground) -> str:
    """Return the digest of the program at the target, or the commit that is checked out."""
    return kept.digest(ground.places.target) if ground.checkout is None else ground.checkout.head().sha256


def _remember_failure(ground: Ground, record: Record) -> None:
    places, version = ground.places, record.after.version
    if not version or version == record.before.version:
        return
    attempts = remembered.load_rejected(places).attempts.get(version, 0)
    if record.code == TRIAL_FAILED or is_given_up(attempts):
        rejection = remembered.Rejection(record.message, int(ground.clock.now()), record.after.sha256)
        remembered.reject(places, version, rejection)


def _remember_going_back(ground: Ground, record: Record) -> None:
    """Keep automatic updates from a version somebody went back from (a kept one has no tag)."""
    before, after = record.before.version, record.after.version
    is_back = ground.checkout is not None or parse_version(after) < parse_version(before)
    if not record.tag and is_back:
        why = f"{record.actor} went back to {after}" + (f": {record.reason}" if record.reason else "")
        rejection = remembered.Rejection(why, int(ground.clock.now()), record.before.sha256)
        remembered.reject(ground.places, before, rejection)


def _patiently(ground: Ground, work: Callable[[], None]) -> None:
    """Run what can be run again, and run it again when the disk refused a part of it. Raises Unavailable."""
    try:
        work()
    except Unavailable as error:
        ground.log(f"not finished yet: {error.message}")
        ground.clock.sleep(_TRY_AGAIN_S)
        work()


def _finish(ground: Ground, record: Record, end: End) -> Ended:
    _patiently(ground, lambda: _end(ground, record, end))
    return Ended(end, record)


def _end(ground: Ground, record: Record, end: End) -> None:
    """History, report, tidying, and the journal last: run again, it does what is missing."""
    places = ground.places
    now = int(ground.clock.now())
    if end not in (End.SKIPPED, End.PLANNED) and not record.dry_run:
        entry = remembered.HistoryEntry(
            txid=record.txid,
            at=now,
            before=record.before.version,
            after=record.after.version,
            sha256=record.after.sha256,
            outcome=end.value,
            actor=record.actor,
            reason=record.reason,
            code=record.code,
            message=record.message,
        )
        remembered.add_history(places, entry)
    reports.write(ground, record, end)
    if record.dry_run:
        remove(places.new(record.txid), missing_ok=True)
    else:
        swap.clean(places, keep_backups=_KEPT_BACKUPS, spare=record.backup)
    journal.end(places.journal, record)
