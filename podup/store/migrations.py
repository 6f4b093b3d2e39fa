"""Brings a database to the schema this program knows, all of it or none.

Migrations are `migrations/NNNN_name.sql`, numbered from 0001 without gaps: `podup/migrations/` in the zip,
beside the package in a checkout. The first line `-- oldest-reader: 1.2.3` names the oldest program that
can still use the database afterwards. All that are missing run in one transaction, each with its record and
checksum; before that a non-empty database is backed up and the copy verified. A migration that was changed
or taken away after it ran is refused, and so is a database of a newer program unless that program's
migrations allow this one.

A database that holds `_sqlx_migrations` belongs to another program: it is set aside under another name,
with its WAL, and never altered.
"""

import hashlib
import re
from pathlib import Path

import podup
from podup import files
from podup.core.versions import Version, parse_version
from podup.errors import PodupError, Refused
from podup.loader import packed_files
from podup.patterns import regex
from podup.records import dataclass
from podup.store.backup import back_up, finish_restore, remove_scratch
from podup.store.db import (
    Connection,
    Database,
    Error,
    Reader,
    inside_one_transaction,
    is_trouble,
    problems,
    statements,
)

_NAME = regex(r"^([0-9]{4})_([a-z0-9_]+)\.sql$")
_READER = regex(r"\A-- oldest-reader: (\S+)$", re.MULTILINE)
_RECORDS = """CREATE TABLE IF NOT EXISTS schema_migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, oldest_reader TEXT NOT NULL,
    applied_at REAL NOT NULL, applied_by TEXT NOT NULL)"""
_FOREIGN_TABLE = "_sqlx_migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `oldest_reader` is the oldest version that can use the database after it."""

    number: int
    name: str
    sql: str
    checksum: str
    oldest_reader: str


@dataclass(frozen=True, slots=True)
class Migrated:
    """What opening did: the schema before and after, the backup made, and a foreign database set aside."""

    before: int
    after: int
    applied: tuple[str, ...] = ()
    backup: Path | None = None
    set_aside: Path | None = None


def open_current(
    path: Path,
    *,
    lock: files.FileLock,
    version: str,
    now: float,
    backups: Path,
    known: tuple[Migration, ...] = (),
) -> tuple[Database, Migrated]:
    """Open the writer and bring the schema up to date: the one way a process starts with a database.

    Removes what killed writers left, finishes a decided restore and sets a foreign database aside first.
    `known` are the migrations (empty: those of this program). Raises what `migrate` raises; the database is
    closed then.
    """
    files.make_dirs(path.parent)
    files.remove_leftovers(path.parent)
    remove_scratch(backups)
    finish_restore(path)
    set_aside = set_aside_foreign(path)
    db = Database(path, lock=lock)
    try:
        done = migrate(db, known or load(), version=version, now=now, backups=backups)
    except BaseException:
        db.close()
        raise
    return db, Migrated(done.before, done.after, done.applied, done.backup, set_aside)


def migrate(
    db: Database, known: tuple[Migration, ...], *, version: str, now: float, backups: Path
) -> Migrated:
    """Run the migrations this database lacks, all in one transaction.

    Raises Refused('migration-changed', 'migration-missing', 'db-too-new'), or
    PodupError('migration-failed'); the database is then as it was before.
    """
    with db.read() as cx:
        recorded = _recorded(cx)
        is_new = cx.execute("SELECT 1 FROM sqlite_schema").fetchone() is None
    missing = pending(known, recorded, version=version)
    before = max(recorded, default=0)
    if not missing:
        return Migrated(before, before)
    after = missing[-1].number
    copy = None if is_new else backups / f"before-{after:04d}-{int(now)}.db"
    if copy is not None:
        back_up(db, copy)
    _run(db, missing, version=version, now=now)
    return Migrated(before, after, tuple(step.name for step in missing), copy)


def pending(
    known: tuple[Migration, ...], recorded: dict[int, Migration], *, version: str
) -> tuple[Migration, ...]:
    """Return the migrations to run on a database with these records, or refuse it."""
    by_number = {step.number: step for step in known}
    newest = max(by_number, default=0)
    unreadable = []
    for number, record in recorded.items():
        step = by_number.get(number)
        if step is not None and step.checksum != record.checksum:
            hint = "restore the file as it was released; write a new migration for a new change"
            raise Refused("migration-changed", f"migration {record.name} changed after it ran here", hint)
        if step is None and number <= newest:
            raise _missing(record.name)
        if step is None and _core(record.oldest_reader) > _core(version):
            unreadable.append(record.name)
    if unreadable:
        names = ", ".join(unreadable)
        hint = "start the newer version, or `db restore` the backup made before it: what came later is lost"
        raise Refused("db-too-new", f"the database has changes {version} cannot read: {names}", hint)
    new = tuple(step for step in known if step.number not in recorded)
    if new and recorded and new[0].number < max(recorded):
        raise _missing(new[0].name)
    return new


def load() -> tuple[Migration, ...]:
    """Return the migrations this program carries, in order. Raises PodupError('migrations-broken')."""
    inside = packed_files("podup/migrations")
    if inside:
        return read_all(inside)
    beside = Path(podup.__file__).parents[1] / "migrations"
    return read_all({entry.name: entry.read_bytes() for entry in beside.iterdir()})


def read_all(scripts: dict[str, bytes]) -> tuple[Migration, ...]:
    """Return the migrations of these files by name, in order. Raises PodupError('migrations-broken')."""
    steps = []
    for name, raw in sorted(scripts.items()):
        if not name.endswith(".sql"):
            continue
        text = raw.decode().replace("\r\n", "\n")
        found, reader = _NAME.match(name), _READER.match(text)
        if found is None or reader is None:
            what = "is not named NNNN_name.sql" if found is None else "names no oldest reader"
            raise PodupError("migrations-broken", f"{name} {what}")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        steps.append(Migration(int(found[1]), name.removesuffix(".sql"), text, checksum, reader[1]))
    if [step.number for step in steps] != list(range(1, len(steps) + 1)):
        raise PodupError("migrations-broken", "the migrations are not numbered from 0001 without gaps")
    return tuple(steps)


def set_aside_foreign(path: Path) -> Path | None:
    """Move a database of another program out of the way, unaltered; return where it went."""
    if not path.exists() or not _is_foreign(path):
        return None
    aside = path.with_name(f"{path.name}.sqlx")
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.sqlx.{count}")
    for suffix in ("-wal", "-shm", ""):  # the file itself last: a crash before that repeats the move
        part = path.with_name(path.name + suffix)
        if part.exists():
            files.rename(part, aside.with_name(aside.name + suffix))
            files.sync_dir(path.parent)
    return aside


def _is_foreign(path: Path) -> bool:
    reader = Reader(path)
    try:
        with reader.read() as cx:
            query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
            return cx.execute(query, (_FOREIGN_TABLE,)).fetchone() is not None
    finally:
        reader.close()


def _recorded(cx: Connection) -> dict[int, Migration]:
    if cx.execute("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'").fetchone() is None:
        return {}
    rows = cx.execute("SELECT number, name, checksum, oldest_reader FROM schema_migrations ORDER BY number")
    return {row[0]: Migration(row[0], row[1], "", row[2], row[3]) for row in rows}


def _run(db: Database, missing: tuple[Migration, ...], *, version: str, now: float) -> None:
    with db.alone() as cx:
        cx.execute("PRAGMA foreign_keys = OFF")  # has no effect inside a transaction
        try:
            cx.execute("BEGIN IMMEDIATE")
            cx.execute(_RECORDS)
            for step in missing:
                _apply(cx, step, version=version, now=now)
            found = problems(cx)
            if found:
                raise PodupError("migration-failed", f"the database would be inconsistent: {found[0]}")
            db.commit()
        finally:
            if cx.in_transaction:
                cx.execute("ROLLBACK")
            cx.execute("PRAGMA foreign_keys = ON")


def _apply(cx: Connection, step: Migration, *, version: str, now: float) -> None:
    try:
        with inside_one_transaction(cx):
            for statement in statements(step.sql):
                cx.execute(statement)
        cx.execute(
            "INSERT INTO schema_migrations VALUES (?, ?, ?, ?, ?, ?)",
            (step.number, step.name, step.checksum, step.oldest_reader, now, version),
        )
    except (Error, ValueError) as error:
        if isinstance(error, Error) and is_trouble(error):
            raise  # no fault of the migration: `alone` tells of it
        hint = "the database is as it was; go back to the version that ran before"
        raise PodupError("migration-failed", f"migration {step.name} failed: {error}", hint) from error


def _missing(name: str) -> Refused:
    hint = "use a complete release; migrations are never removed or added in between"
    return Refused("migration-missing", f"migration {name} does not fit what ran here before", hint)


def _core(text: str) -> tuple[int, int, int]:
    version: Version = parse_version(text)
    return version.major, version.minor, version.patch
