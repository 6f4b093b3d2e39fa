"""Opening the database of the state directory as its one writer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podup.clock import Clock
from podup.errors import Busy
from podup.files import FileLock, holder, make_dirs, require_own
from podup.settings.load import Loaded
from podup.store import backup
from podup.store.backup import Backup
from podup.store.db import Connection, Database, Reader
from podup.store.migrations import open_current
from podup.version import VERSION

_TRIES = 100
_TRY_EVERY_S = 0.1


@contextmanager
def writer(loaded: Loaded, clock: Clock, *, what: str, tries: int = 1) -> Iterator[Database]:
    """Give the database while this process holds the daemon's lock, its schema brought up to date.

    Raises Busy (exit 75), naming the holder, when the lock is not to be had in `tries` tries; Refused when
    the state directory is somebody else's.
    """
    state = loaded.settings.state
    make_dirs(state.directory)
    require_own(state.directory)
    lock = FileLock(state.directory / "daemon.lock", what=what)
    _acquire(lock, clock, tries)
    try:
        database, _ = open_current(
            state.database,
            lock=lock,
            version=VERSION,
            now=clock.now(),
            backups=state.directory / "backups",
        )
        try:
            yield database
        finally:
            database.close()
    finally:
        lock.release()


def _acquire(lock: FileLock, clock: Clock, tries: int) -> None:
    for left in range(tries, 0, -1):
        if lock.acquire():
            return
        if left > 1:
            clock.sleep(_TRY_EVERY_S)
    who = holder(lock.path) or "another process"
    hint = "stop it, or give this one a state directory of its own (PODUP_STATE_DIR)"
    raise Busy("state-in-use", f"{lock.path.parent} is in use by {who}", hint)


def restore_database(loaded: Loaded, clock: Clock, source: Path) -> Backup:
    """Put a verified backup in the database's place; what was there is kept beside it.

    Raises Busy, naming the holder, while anybody uses the database; NotFound or PodupError for a bad backup.
    """
    state = loaded.settings.state
    make_dirs(state.database.parent)
    lock = FileLock(state.directory / "daemon.lock", what="db restore")
    _acquire(lock, clock, 1)
    try:
        return backup.restore(source, state.database, lock=lock)
    finally:
        lock.release()


class BriefStore:
    """The database for a command: the lock is held for each transaction only, never while work runs."""

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        self._loaded = loaded
        self._clock = clock

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one consistent state."""
        path = self._loaded.settings.state.database
        if not path.exists():
            with writer(self._loaded, self._clock, what="a command", tries=_TRIES):
                pass
        reader = Reader(path)
        try:
            with reader.read() as cx:
                yield cx
        finally:
            reader.close()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection inside one transaction. Raises Busy when the lock is not to be had in time."""
        with (
            writer(self._loaded, self._clock, what="a command", tries=_TRIES) as database,
            database.write() as cx,
        ):
            yield cx

    def checkpoint(self) -> None:
        """Nothing: the end of each transaction closes the database, and that did it."""
