"""`boot-guard`: recovery before the service starts, run from the known good copy.

ExecStartPre of the unit and layer 1 call it. While somebody holds the update's lock it only waits, and only
where a start would meet half-made files; with the lock free it acts. It never starts or stops anything,
so it can stand in front of every start.
"""

from podup.errors import PodupError
from podup.files import FileLock, is_locked
from podup.update import journal, kept, recovery, swap
from podup.update.journal import Record
from podup.update.states import Act, State
from podup.update.world import Ground

_LOOK_EVERY_S = 0.05
INTERRUPTED_BY = "the machine or the update was stopped in the middle"


def guard(ground: Ground, *, wait_s: float) -> Act:
    """Make the files fit to be started; return what was done. Raises PodupError when that is not possible.

    `wait_s` bounds the waiting for a living update; past it the service is started as things are.
    """
    clock = ground.clock
    deadline = clock.monotonic() + wait_s
    while True:
        seen = journal.load(ground.places.journal)
        if seen is None:
            _mend(ground)
            swap.sweep(ground.places)
            swap.sweep_requests(ground.places, clock.now())
            return Act.LEAVE
        if is_locked(ground.places.lock):
            if not isinstance(seen, Record) or recovery.due(ground, seen, is_lock_held=True) is Act.LEAVE:
                return Act.LEAVE
            if clock.monotonic() >= deadline:
                return Act.WAIT
            clock.sleep(_LOOK_EVERY_S)
            continue
        lock = FileLock(ground.places.lock, what="boot-guard")
        if lock.acquire():
            try:
                return recover(ground)
            finally:
                lock.release()


def _mend(ground: Ground) -> None:
    """Put the known good program in the place of bytes that are none. Raises PodupError when it is lost.

    No update leaves such bytes; a failing disk or a hand does. Any other program that stands there is meant.
    """
    places = ground.places
    good = kept.good(places)
    if good is None or ground.checkout is not None or not places.target.is_file():
        return
    if kept.digest(places.target) == good.sha256 or kept.installed(places):
        return
    lock = FileLock(places.lock, what="boot-guard")
    if not lock.acquire():
        return
    try:
        swap.switch_back(places, good)
        says = f"{places.target} was no program any more; the known good {good.version} is put back"
        ground.log(f"ERROR_SYSTEM: {says}")
    finally:
        lock.release()


def recover(ground: Ground) -> Act:
    """Act on what an ended update left; the caller holds the lock and nothing of the service runs.

    A roll-back is begun here and ended by the old program itself, once it stands (`boot.attend`).
    """
    record = recovery.load_or_make(ground)
    if record is None:
        return Act.LEAVE
    act = recovery.due(ground, record, is_lock_held=False)
    ground.log(f"an update was interrupted in {record.state}: {act}")
    if act is Act.ABORT:
        recovery.abort(ground, record, PodupError(recovery.INTERRUPTED, INTERRUPTED_BY))
    elif act is Act.ROLL_FORWARD:
        recovery.commit(ground, record)
    elif act is Act.HOLD:
        recovery.hold(ground, record)
    elif act is Act.ROLL_BACK:
        message = f"{INTERRUPTED_BY} ({record.state})"
        record = recovery.begin_to_take_back(ground, record, code=recovery.INTERRUPTED, message=message)
        recovery.take_back(ground, record)
    return act


def is_waiting_for_old(record: Record) -> bool:
    """Return whether a roll-back is done but for the word of the old program."""
    return record.state is State.ROLLING_BACK and record.may_start
