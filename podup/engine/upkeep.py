"""Keeping the state directory in shape: forgetting what is old, and a verified copy of the database a day."""

from collections.abc import Iterable
from datetime import UTC
from pathlib import Path

from podup.clock import Clock
from podup.engine.snapshot import TaskFiles
from podup.engine.storage import Store
from podup.files import is_locked, remove
from podup.store import backup, retention, tasks
from podup.store.backup import Backup
from podup.store.db import Reader
from podup.store.retention import Ages, Pruned

DAILY = "daily-"
_PAUSE_S = 0.05


def forget_old(
    store: Store, state_dir: Path, ages: Ages, clock: Clock, *, dry_run: bool = False
) -> Pruned:
    """Forget what is older than `ages`, journals of forgotten tasks included; a dry run only counts."""
    if dry_run:
        with store.read() as cx:
            return retention.outlook(cx, ages, now_s=clock.now())
    gone = retention.prune(store, ages, now_s=clock.now(), pause=lambda: clock.sleep(_PAUSE_S))
    remove_journals(store, state_dir)
    return gone


def remove_journals(store: Store, state_dir: Path) -> list[str]:
    """Remove the files of tasks the database does not know any more; return their ids."""
    names = {path.name.partition(".")[0] for path in _task_files(state_dir)}
    with store.read() as cx:
        gone = sorted(name for name in names if name.partition("_")[2] and tasks.get(cx, name) is None)
    for task_id in gone:
        files = TaskFiles(state_dir, task_id)
        if not is_locked(files.journal):
            files.clear()
            remove(files.journal, missing_ok=True)
    return gone


def back_up_daily(database: Path, directory: Path, clock: Clock, *, keep: int) -> Backup:
    """Make today's verified copy and let go of all but the newest `keep` daily ones.

    Raises Unavailable when it cannot be written, PodupError('backup-not-verified') when it is not good;
    the older ones then stay.
    """
    stamp = clock.local(clock.now()).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    reader = Reader(database)
    try:
        made = backup.back_up(reader, directory / f"{DAILY}{stamp}.db")
    finally:
        reader.close()
    backup.prune_backups(directory, prefix=DAILY, keep=keep)
    return made


def _task_files(state_dir: Path) -> Iterable[Path]:
    directory = state_dir / "tasks"
    return directory.iterdir() if directory.is_dir() else ()
