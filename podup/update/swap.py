"""Putting one program in the place of another, and the database back, so that a kill leaves a whole one.

Every function here can be run again after it was killed anywhere, and then only finishes what is missing.
The target is only ever replaced by rename(2) of a complete, synced file.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from podup.errors import PodupError, Unavailable
from podup.files import (
    copy_file,
    durable_write,
    link,
    make_dirs,
    remove,
    remove_leftovers,
    remove_tree,
    rename,
    sync_dir,
)
from podup.update import kept
from podup.update.journal import Backup, Build, Record
from podup.update.places import Places
from podup.update.world import Database, Shape

_SIDE_FILES = ("-wal", "-shm")
_GROWS_BY_MIGRATION = ("schema_migrations",)
_REQUEST_LASTS_S = 3600
_ROOM_BYTES = 1024 * 1024


def switch(places: Places, txid: str) -> None:
    """Put `T.new.<txid>` at the target, and what is there now at `T.old`."""
    new = places.new(txid)
    if not new.exists():
        return
    _link_over(places.target, places.old)
    rename(new, places.target)
    sync_dir(places.target.parent)


def switch_back(places: Places, before: Build) -> None:
    """Put the program `before` at the target again: from `T.old`, else from the kept versions.

    Raises PodupError `old-program-lost` when neither has its bytes.
    """
    if kept.digest(places.target) == before.sha256:
        return
    for source in (places.old, kept.path_of(places, before.version), places.good):
        if kept.digest(source) == before.sha256:
            mode = places.target.stat().st_mode & 0o777 if places.target.exists() else 0o755
            copy_file(source, places.target, mode=mode | 0o100)
            return
    raise PodupError(
        "old-program-lost",
        f"no copy of {before.version} is left to go back to",
        f"put a release at {places.target} by hand",
    )


def back_up(places: Places, database: Database, txid: str) -> Backup | None:
    """Copy the database and verify the copy; None when there is no database yet. Raises PodupError."""
    if not places.database.exists():
        return None
    make_dirs(places.backups)
    target = places.backups / f"{places.database.name}.{txid}.bak"
    return Backup(target.name, database.copy(places.database, target))


def restore(places: Places, database: Database, record: Record) -> bool:
    """Put the backup back when the database is no longer what it was; return whether it was put back.

    Nothing may have it open. Raises PodupError `backup-damaged`.
    """
    if record.backup is None or _is_as_before(database.look(places.database), record.before):
        _remove_asides(places, record.txid)
        return False
    source = places.backups / record.backup.name
    if kept.digest(source) != record.backup.sha256:
        raise PodupError(
            "backup-damaged",
            f"the backup {record.backup.name} is not what was written",
            "see db restore; the daily backups are beside the database",
        )
    # A write-ahead log of the migrated database would be replayed into the restored one.
    for suffix in _SIDE_FILES:
        side = places.database.with_name(places.database.name + suffix)
        if side.exists():
            rename(side, _aside(places, suffix, record.txid))
    sync_dir(places.database.parent)
    copy_file(source, places.database)
    _remove_asides(places, record.txid)
    return True


def backup_of_trial(places: Places, database: Database, good: Build) -> Backup | None:
    """Return the newest backup when the database was migrated after it and took no row since; else None."""
    if not good.schema or not places.backups.is_dir() or not places.database.exists():
        return None
    found = sorted(places.backups.glob(f"{places.database.name}.*.bak"), key=_age)
    if not found:
        return None
    now, then = database.look(places.database), database.look(found[-1])
    if then.schema != good.schema or then.problems or now.schema <= good.schema:
        return None
    rows = {table: now.rows.get(table) for table in then.rows if table not in _GROWS_BY_MIGRATION}
    if any(rows[table] != then.rows[table] for table in rows):
        return None
    return Backup(found[-1].name, kept.digest(found[-1]))


def lost_in_migration(before: Shape, after: Shape) -> str:
    """Return what a migrated copy no longer has, in words; empty when everything is there."""
    for table, columns in before.columns.items():
        if table not in after.columns:
            return f"table {table} is gone"
        gone = [column for column in columns if column not in after.columns[table]]
        if gone:
            return f"column {table}.{gone[0]} is gone"
        if after.rows.get(table, 0) < before.rows.get(table, 0):
            return f"rows of {table} are gone"
    return ""


def why_unfit(places: Places, txid: str) -> str:
    """Return why this machine takes no more writes where an update writes, empty when it does."""
    beside = () if places.is_checkout else (places.new(txid),)
    for path in (places.scratch / "probe", *beside, _aside(places, "-probe", txid)):
        try:
            make_dirs(path.parent)
            durable_write(path, bytes(_ROOM_BYTES))
            remove(path)
        except Unavailable as error:
            remove(path, missing_ok=True)
            return error.message
    return ""


def clean(places: Places, *, keep_backups: int, spare: Backup | None = None) -> None:
    """Remove what a transaction leaves: new files, scratch copies, temporary files, old backups."""
    if not places.is_checkout:
        for path in places.target.parent.glob(f"{places.target.name}.new.*"):
            remove(path, missing_ok=True)
        remove(places.old.with_name(places.old.name + ".tmp"), missing_ok=True)
        sync_dir(places.target.parent)
    for path in places.state.glob("update-request-*.json"):
        remove(path, missing_ok=True)
    remove_tree(places.scratch)
    for path in places.backups.glob(".*.bak.new*"):
        remove(path, missing_ok=True)
    for path in places.database.parent.glob(f"{places.database.name}-*.aside.*"):
        remove(path, missing_ok=True)
    sweep(places)
    for kind in ("*.bak", "code_backup_*.tar.gz") if places.backups.is_dir() else ():
        backups = sorted(places.backups.glob(kind), key=_age)
        for path in backups[: max(0, len(backups) - keep_backups)]:
            if spare is None or path.name != spare.name:
                remove(path, missing_ok=True)


def sweep(places: Places) -> None:
    """Remove the temporary files of writers that were killed, wherever an update writes."""
    kept_in = (places.state, places.releases, places.backups, places.reports, places.database.parent)
    for directory in dict.fromkeys(kept_in):
        if directory.is_dir():
            remove_leftovers(directory)
    if not places.is_checkout and places.target.parent.is_dir():
        remove_leftovers(places.target.parent, of=places.target.name)


def sweep_requests(places: Places, now: float) -> None:
    """Remove what was written for updates whose process never came to read it: settings in it are secret.

    Only what is older than an hour: a younger one may be read in a moment.
    """
    for path in places.state.glob("update-request-*.json"):
        with suppress(FileNotFoundError):
            if abs(now - path.stat().st_mtime) > _REQUEST_LASTS_S:
                remove(path)


def new_txid(now: int, *salt: object) -> str:
    """Return a name for a transaction that sorts by time; `salt` tells two of one second apart."""
    return f"{now:x}-{hashlib.sha256(repr(salt).encode()).hexdigest()[:10]}"


def _link_over(source: Path, target: Path) -> None:
    """Give `source` the second name `target`, replacing what is there; copy where links cannot be made."""
    temporary = target.with_name(target.name + ".tmp")
    remove(temporary, missing_ok=True)
    try:
        link(source, temporary)
    except Unavailable:
        copy_file(source, target, mode=source.stat().st_mode & 0o777)
        return
    rename(temporary, target)
    sync_dir(target.parent)


def _is_as_before(shape: Shape, before: Build) -> bool:
    return not shape.problems and shape.schema == before.schema


def _aside(places: Places, suffix: str, txid: str) -> Path:
    return places.database.with_name(f"{places.database.name}{suffix}.aside.{txid}")


def _remove_asides(places: Places, txid: str) -> None:
    for suffix in _SIDE_FILES:
        remove(_aside(places, suffix, txid), missing_ok=True)


def _age(path: Path) -> tuple[float, str]:
    return path.stat().st_mtime, path.name
