"""What the daemon does about a self-update: maintenance, its own start, and a transaction left alone.

The daemon never judges itself while an update's process lives. When that process is gone, it ends what is
only waiting for its word, and leaves (exit 10) when it is itself the program on trial, so that the guard in
front of the next start takes it back.
"""

import json
import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from podup.files import FileLock, Spool, durable_write, is_locked
from podup.late import late
from podup.records import asdict, dataclass
from podup.update import journal
from podup.update.journal import Record
from podup.update.places import Places
from podup.update.states import Act, is_maintenance

if TYPE_CHECKING:
    from podup.update import guard, recovery
    from podup.update.world import Ground
else:
    guard = late("podup.update.guard")
    recovery = late("podup.update.recovery")

RETRY_AFTER_S = 15
_AT_ONCE = 50


class Maintenance:
    """Whether the daemon is to accept without writing. Asking costs one stat(2)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)
        self._seen: tuple[tuple[int, int, int], bool] | None = None

    def is_on(self) -> bool:
        """Return whether the database takes no write now; any thread may ask."""
        try:
            found = os.stat(self._name)
        except FileNotFoundError:
            return False
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        known = self._seen
        if known is None or known[0] != stamp:
            seen = journal.load(self._path)
            known = self._seen = stamp, isinstance(seen, Record) and is_maintenance(seen.state)
        return known[1]


class Next(StrEnum):
    """What the daemon does after looking at a transaction."""

    NOTHING = "nothing"
    SETTLED = "settled"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a daemon answers /health: the URL of its port, and its control socket."""

    url: str = ""
    socket: str = ""


def write_listening(places: Places, listening: Listening) -> None:
    """Leave word of where this daemon listens; the program after it is judged there."""
    durable_write(places.listening, json.dumps(asdict(listening)).encode() + b"\n")


def read_listening(places: Places) -> Listening:
    """Return where the last daemon listened, empty when it left no word."""
    try:
        body = json.loads(places.listening.read_bytes())
        return Listening(str(body["url"]), str(body["socket"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Listening()


def running_txid(places: Places) -> str:
    """Return the transaction this start belongs to, empty when there is none; goes into /health."""
    seen = journal.load(places.journal)
    return seen.txid if isinstance(seen, Record) and is_maintenance(seen.state) else ""


def attend(ground: "Ground") -> Next:
    """Look after a transaction nobody works on any more; the running daemon calls it each second.

    SETTLED: it was ended here, maintenance is over. LEAVE: this process is not the program that stays;
    exit with code 10 and be started again.
    """
    places = ground.places
    seen = journal.load(places.journal)
    if seen is None or is_locked(places.lock):
        return Next.NOTHING
    lock = FileLock(places.lock, what="daemon")
    if not lock.acquire():
        return Next.NOTHING
    try:
        record = recovery.load_or_make(ground)
        if record is None:
            return Next.SETTLED
        if guard.is_waiting_for_old(record) and recovery.is_target_old(ground, record):
            recovery.end_taken_back(ground, record)
            return Next.SETTLED
        act = recovery.due(ground, record, is_lock_held=False)
        if act in (Act.ROLL_BACK, Act.HOLD):
            return Next.LEAVE
        guard.recover(ground)
        return Next.SETTLED
    finally:
        lock.release()


def replay(spool: Spool, deliver: Callable[[Sequence[tuple[str, bytes]]], None]) -> int:
    """Hand every item that waited to `deliver`, oldest first, some at once, and forget it; return how many.

    `deliver` commits by key, so that an item met again after a crash is the same delivery. Raises what it
    raises; the items then stay.
    """
    count = 0
    items = spool.items()
    while some := list(islice(items, _AT_ONCE)):
        deliver(some)
        spool.remove(*(key for key, _ in some))
        count += len(some)
    return count
