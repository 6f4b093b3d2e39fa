"""The only door to SQLite: one writing connection, a few reading ones, and what can go wrong with them.

One writer at a time: a `Database` exists only while its process holds the kernel lock passed in, because
SQLite before 3.51.3 can corrupt a WAL database when two connections write and checkpoint at once
(https://sqlite.org/wal.html#walresetbug). A transaction that `write()` left normally is on the disk
(synchronous FULL); one that raised left nothing. Reading connections are opened `mode=ro`: closing the last
one then leaves the WAL alone.

A process that has the database open must not open and close the same file by other means (a copy, a
checksum): closing any descriptor drops SQLite's POSIX locks (https://sqlite.org/howtocorrupt.html 2.2).
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol

from podup import files
from podup.errors import NotFound, PodupError, Unavailable
from podup.files.trace import announce
from podup.store.turns import Turns

Connection = sqlite3.Connection
Row = sqlite3.Row
Error = sqlite3.Error
IntegrityError = sqlite3.IntegrityError

_BUSY_TIMEOUT_S = 5.0
_WRITER_CACHE_KIB = 2048
_READER_CACHE_KIB = 512
_WAL_LIMIT_BYTES = 16 * 1024 * 1024
_CHECKPOINT_PAGES = 1000  # not more, because the commit that reaches it waits for these pages to be synced
_POOL_SIZE = 4
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DISK_TROUBLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
}


class Readable(Protocol):
    """What gives reading connections; `Reader` is one."""

    def read(self) -> AbstractContextManager[Connection]:
        """Give a connection that sees one consistent state."""


class Writable(Protocol):
    """What gives transactions; `Database` is one."""

    def write(self) -> AbstractContextManager[Connection]:
        """Give a connection inside one transaction."""

    def checkpoint(self) -> None:
        """Spare later commits the work of moving what was written to its place."""


class Store(Readable, Writable, Protocol):
    """Where rows are kept: the daemon's database for its life, or a command's for a transaction."""


class Reader:
    """Reading connections to a database, at most four kept; for processes without the daemon's lock too.

    Raises NotFound('db-missing') when there is no database.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            hint = "start the daemon once to make it"
            raise NotFound("db-missing", f"there is no database at {path}", hint)
        self.path = path
        self._idle: list[Connection] = []
        self._guard = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one consistent state for the length of the block."""
        with self._guard:
            cx = self._idle.pop() if self._idle else None
        with told(self.path, writing=False):
            cx = cx or connect(self.path, read_only=True)
            try:
                cx.execute("BEGIN")
                yield cx
            finally:
                self._put_back(cx)

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._guard:
            idle, self._idle = self._idle, []
        for cx in idle:
            cx.close()

    def _put_back(self, cx: Connection) -> None:
        try:
            cx.execute("ROLLBACK")
        except Error:
            cx.close()
            return
        with self._guard:
            if len(self._idle) < _POOL_SIZE:
                self._idle.append(cx)
                return
        cx.close()


class Database(Reader):
    """The writer. `lock` is STATE/daemon.lock, held by the caller before and until after.

    The file is made (0600) when missing. Raises Unavailable('db-write-failed' or 'db-damaged').
    """

    def __init__(self, path: Path, *, lock: files.FileLock) -> None:
        if not lock.is_held:
            raise RuntimeError(f"a writer of {path} without {lock.path}")
        files.make_dirs(path.parent)
        if not path.exists():
            files.durable_write(path, b"")
        super().__init__(path)
        self._turns = Turns()
        with told(path, writing=True):
            self._writer = _connect_writer(path)
        self._is_lost = False

    def write(self) -> AbstractContextManager[Connection]:
        """Give the writing connection inside one transaction; on return it is committed and on the disk.

        Thread-safe, waiters in order of arrival, not re-entrant. When the block raises, or the commit
        fails (Unavailable 'db-write-failed'), everything is rolled back. Constraint violations come
        through as IntegrityError.
        """
        return _Transaction(self)

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Give the writing connection outside a transaction, with nobody else writing (migrations)."""
        with self._turns, told(self.path, writing=True):
            try:
                yield self.writer()
            finally:
                self._roll_back()

    def checkpoint(self) -> None:
        """Move the WAL into the database file as far as readers allow; what is written next starts it anew.

        For who writes much: the commit that makes the log long would else do it, and that may be a webhook's.
        """
        with self.alone() as cx:
            cx.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close all connections; the last to go checkpoints and removes the WAL."""
        super().close()
        with self._turns:
            self._writer.close()

    def commit(self) -> None:
        """Commit the transaction `alone` holds; `write` does it by itself."""
        try:
            announce("commit", self.path)
        except OSError as error:
            raise _unavailable(self.path, str(error), writing=True) from error
        self._writer.execute("COMMIT")

    def writer(self) -> Connection:
        """Return the writing connection to whoever's turn it is; a new one after one that was lost."""
        if self._is_lost:
            self._writer, self._is_lost = _connect_writer(self.path), False
        return self._writer

    def _roll_back(self) -> None:
        if self._is_lost or not self._writer.in_transaction:
            return
        try:
            self._writer.execute("ROLLBACK")
        except Error:
            # A connection that cannot roll back is in an unknown state; a new one recovers from the disk.
            self._writer.close()
            self._is_lost = True


class _Transaction:
    """What `Database.write` returns. A class, because a generator costs a lone webhook twice as much."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Connection:
        database = self._database
        database._turns.__enter__()
        try:
            writer = database.writer()
            writer.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            database._turns.leave()
            _tell(error, database.path, writing=True)
            raise
        return writer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        database = self._database
        try:
            if error is None:
                database.commit()
            else:
                database._roll_back()
                _tell(error, database.path, writing=True)
        except BaseException as trouble:
            database._roll_back()
            _tell(trouble, database.path, writing=True)
            raise
        finally:
            database._turns.leave()


class _Told:
    """What `told` returns."""

    __slots__ = ("_is_writing", "_path")

    def __init__(self, path: Path, *, writing: bool) -> None:
        self._path = path
        self._is_writing = writing

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            _tell(error, self._path, writing=self._is_writing)


def told(path: Path, *, writing: bool) -> AbstractContextManager[None]:
    """Turn trouble of the disk or the file into `Unavailable`; mistakes in SQL come through."""
    return _Told(path, writing=writing)


def is_trouble(error: Error) -> bool:
    """Return whether the disk or the memory failed, and not the statement."""
    return _primary(error) in _DISK_TROUBLE


def _primary(error: Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _tell(error: BaseException, path: Path, *, writing: bool) -> None:
    """Raise what an error means, when it means more than a mistake in SQL."""
    if not isinstance(error, sqlite3.DatabaseError):
        return
    primary = _primary(error)
    if primary in _DAMAGED:
        hint = "look at `db check`, then `db restore` the newest backup"
        raise Unavailable("db-damaged", f"the database {path} is damaged: {error}", hint) from error
    if primary in _DISK_TROUBLE:
        raise _unavailable(path, str(error), writing=writing) from error


def connect(path: Path, *, read_only: bool) -> Connection:
    """Open one connection with autocommit, rows by name and the safe pragmas."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    cx = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S,
        cached_statements=64,
    )  # fmt: skip
    cx.row_factory = Row
    cx.execute("PRAGMA trusted_schema = OFF")
    cx.execute("PRAGMA foreign_keys = ON")
    cx.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB if read_only else _WRITER_CACHE_KIB}")
    if read_only:
        cx.execute("PRAGMA query_only = ON")
    return cx


def problems(cx: Connection) -> list[str]:
    """Return what SQLite finds wrong: integrity first, then foreign keys; empty when all is well."""
    found = [str(row[0]) for row in cx.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    for table, rowid, parent, _ in cx.execute("PRAGMA foreign_key_check").fetchmany(20):
        found.append(f"row {rowid} of {table} names a row of {parent} that is not there")
    return found


def table_counts(cx: Connection) -> dict[str, int]:
    """Return the number of rows of every table."""
    listed = cx.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    names = [str(row[0]) for row in listed]
    return {name: int(cx.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}


def copy_into(cx: Connection, target: Path) -> None:
    """Fill the empty file `target` with what this connection sees, in one step and without a WAL of its own.

    The bytes are not synced. Raises Unavailable('db-write-failed').
    """
    with told(target, writing=True):
        copy = connect(target, read_only=False)
        try:
            copy.execute("PRAGMA journal_mode = OFF").fetchall()
            copy.execute("PRAGMA synchronous = OFF")
            cx.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        finally:
            copy.close()


@contextmanager
def inside_one_transaction(cx: Connection) -> Iterator[None]:
    """Let SQLite refuse what would leave the current transaction or database (BEGIN, COMMIT, ATTACH)."""
    refused = (sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
    cx.set_authorizer(lambda action, *_: sqlite3.SQLITE_DENY if action in refused else sqlite3.SQLITE_OK)
    try:
        yield
    finally:
        cx.set_authorizer(None)


def statements(script: str) -> Iterator[str]:
    """Split a script into its statements; triggers, strings and comments stay whole.

    Raises ValueError when the last one has no end.
    """
    held = ""
    for piece in script.split(";")[:-1]:
        held += piece + ";"
        if sqlite3.complete_statement(held):
            yield held.strip()
            held = ""
    held += script.rpartition(";")[2]
    if any(line.strip() and not line.strip().startswith("--") for line in held.splitlines()):
        raise ValueError(f"the script ends inside a statement: {held.strip()[:80]}")


def _unavailable(path: Path, reason: str, *, writing: bool) -> PodupError:
    code = "db-write-failed" if writing else "db-read-failed"
    doing = "write to" if writing else "read"
    hint = f"check room, mode and mount of {path.parent}"
    return Unavailable(code, f"cannot {doing} the database {path}: {reason}", hint)


def _connect_writer(path: Path) -> Connection:
    cx = connect(path, read_only=False)
    cx.execute("PRAGMA journal_mode = WAL").fetchall()
    cx.execute("PRAGMA synchronous = FULL")
    cx.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    cx.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return cx
