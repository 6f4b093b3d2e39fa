"""Verified copies of the database, and the way back.

A backup is made by SQLite's backup API in one step from a reading connection, so it is one consistent
state and holds up no writer; it is checked (integrity, foreign keys, row counts equal to the source's),
synced and renamed into place: a file under a backup's name is a whole one. It needs no WAL beside it.

A restore is decided by one rename: once the verified copy stands at `NAME.restore` it will be finished, by
this process or by the next one that opens the database, also after a kill or power cut. What was there is
kept as `NAME.before-restore` with its WAL; a stale WAL is never left beside the restored file, where SQLite
would replay it.
"""

import hashlib
from pathlib import Path

from podup import files
from podup.errors import NotFound, PodupError, Refused
from podup.records import dataclass
from podup.store.db import Connection, Error, Reader, connect, copy_into, problems, table_counts

_CHUNK_BYTES = 1024 * 1024
KEPT_BACKUPS = 7
_SCRATCH = ".backup-in-progress"
_OTHERS = "`db check` lists the backups"


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified copy: its size, the SHA-256 of its bytes, and the rows of each table."""

    path: Path
    size_bytes: int
    sha256: str
    schema: int
    counts: dict[str, int]


def back_up(reader: Reader, target: Path) -> Backup:
    """Copy the database to `target` (0600), verified and durable; what stood there is replaced.

    Raises Unavailable when it cannot be written, PodupError('backup-not-verified') when the copy is not good.
    """
    files.make_dirs(target.parent)
    scratch = target.with_name(f".{target.name}{_SCRATCH}")
    files.remove(scratch, missing_ok=True)
    files.NewFile(scratch).close()
    try:
        with reader.read() as cx:
            expected = table_counts(cx)
            copy_into(cx, scratch)
        files.sync_file(scratch)
        made = verify(scratch)
        if made.counts != expected:
            raise PodupError("backup-not-verified", f"the copy of {reader.path} does not hold the same rows")
        files.rename(scratch, target)
    except BaseException:
        files.remove(scratch, missing_ok=True)
        raise
    files.sync_dir(target.parent)
    return Backup(target, made.size_bytes, made.sha256, made.schema, made.counts)


def verify(path: Path) -> Backup:
    """Check a backup and return what it holds. Raises NotFound, or PodupError('backup-not-verified')."""
    if not path.exists():
        raise NotFound("backup-missing", f"there is no backup at {path}", _OTHERS)
    try:
        cx = connect(path, read_only=True)
        try:
            found = problems(cx)
            counts = table_counts(cx)
            schema = schema_number(cx)
        finally:
            cx.close()
    except Error as error:
        why = f"{path} is not a whole database: {error}"
        raise PodupError("backup-not-verified", why, _OTHERS) from error
    if found:
        raise PodupError("backup-not-verified", f"{path} is damaged: {found[0]}", "use an older backup")
    return Backup(path, path.stat().st_size, _sha256(path), schema, counts)


def schema_number(cx: Connection) -> int:
    """Return the number of the newest migration in this database; 0 when it has none."""
    known = cx.execute("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'").fetchone()
    if known is None:
        return 0
    return int(cx.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()[0])


def restore(source: Path, target: Path, *, lock: files.FileLock) -> Backup:
    """Put a verified backup in the place of the database; nobody has it open and `lock` is held.

    Raises what `verify` raises, before anything is touched.
    """
    if not lock.is_held:
        raise Refused("db-in-use", f"{target} may be in use", "stop the daemon first")
    good = verify(source)
    files.copy_file(source, _staged(target))
    if _sha256(_staged(target)) != good.sha256:
        files.remove(_staged(target))
        raise PodupError("backup-not-verified", f"{source} changed while it was copied")
    finish_restore(target)
    return good


def finish_restore(target: Path) -> bool:
    """Finish a restore that was decided; True when there was one. Safe to repeat after a crash."""
    staged, aside = _staged(target), _beside(target, ".before-restore")
    if not staged.exists():
        return False
    if target.exists() and not (aside.exists() and aside.samefile(target)):
        for old in (_beside(aside, "-wal"), _beside(aside, "-shm"), aside):
            files.remove(old, missing_ok=True)
        files.sync_dir(target.parent)  # an older WAL never stands beside what is kept now
        files.link(target, aside)
        files.sync_dir(target.parent)  # and that is certain before its own WAL follows it
    if _beside(target, "-wal").exists():
        files.rename(_beside(target, "-wal"), _beside(aside, "-wal"))
    files.remove(_beside(target, "-shm"), missing_ok=True)
    files.sync_dir(target.parent)  # the old WAL is gone for certain before the new file arrives
    files.rename(staged, target)
    files.sync_dir(target.parent)
    return True


def list_backups(directory: Path) -> list[Path]:
    """Return the backups of a directory, newest first by name; names carry their time."""
    return sorted(directory.glob("*.db"), reverse=True) if directory.is_dir() else []


def prune_backups(directory: Path, *, prefix: str, keep: int = KEPT_BACKUPS) -> list[Path]:
    """Remove all but the newest `keep` backups whose names begin with `prefix`; return what was removed."""
    old = [path for path in list_backups(directory) if path.name.startswith(prefix)][keep:]
    for path in old:
        files.remove(path, missing_ok=True)
    if old:
        files.sync_dir(directory)
    return old


def remove_scratch(directory: Path) -> None:
    """Remove what killed backups left in a directory; nobody may be making one there."""
    left = sorted(directory.glob(f".*{_SCRATCH}*"))
    for path in left:
        files.remove(path)
    if left:
        files.sync_dir(directory)


def _staged(target: Path) -> Path:
    return _beside(target, ".restore")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
