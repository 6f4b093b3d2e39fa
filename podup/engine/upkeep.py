"""Keeping the state directory in shape: forgetting what is old, and verified copies of the database.

Both are done by themselves, each hour and each day, and when an operator asks. `prune` takes an age of the
operator's, and also removes the files an older version kept its rate limits and locks in. A dry run only
tells.
"""

from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import Any

from podup.clock import Clock
from podup.engine.snapshot import TaskFiles
from podup.files import is_locked, remove, remove_tree
from podup.records import dataclass, replace
from podup.store import backup, retention, tasks
from podup.store.backup import Backup
from podup.store.db import Reader, Store
from podup.store.retention import Ages, Pruned

DAILY = "daily-"
_ASKED_FOR_S = 5.0  # then the caller asks again: a large backlog takes minutes
_OLDER_FILES = (
    "ratelimit.db",
    "ratelimit.lock",
    "github-image-limits/*.db",
    "github-image-limits/*.lock",
    "github-image-locks/*.lock",
)
_OLDER_DIRECTORIES = ("github-image-limits", "github-image-locks")


def forget_old(store: Store, state_dir: Path, ages: Ages, clock: Clock, *, for_s: float) -> Pruned:
    """Forget what is older than `ages`, journals of forgotten tasks included, in about `for_s` seconds."""
    gone = retention.prune(store, ages, clock, for_s=for_s)
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
    made = _copy(database, directory / f"{DAILY}{stamp}.db")
    backup.prune_backups(directory, prefix=DAILY, keep=keep)
    return made


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What an operator asks for, of one state directory; `ages` hold where none is named."""

    state_dir: Path
    database: Path
    store: Store
    clock: Clock
    ages: Ages

    @property
    def backups(self) -> Path:
        """The directory of backups."""
        return self.state_dir / "backups"

    def prune(self, *, max_age_s: float | None = None, dry_run: bool = False) -> dict[str, Any]:
        """Forget what is old and say what that was, or would be. `max_age_s` is for tasks and rate hits.

        Rate hits are kept at least as long as any window counts them. When `is_all` is false, more is old
        than goes in a few seconds: ask again.
        """
        ages = self.ages
        if max_age_s is not None:
            ages = replace(ages, tasks_s=max_age_s, hits_s=max(max_age_s, ages.hits_s))
        if dry_run:
            with self.store.read() as cx:
                gone = retention.outlook(cx, ages, now_s=self.clock.now())
        else:
            gone = forget_old(self.store, self.state_dir, ages, self.clock, for_s=_ASKED_FOR_S)
        return {
            "dry_run": dry_run,
            "tasks": len(gone.tasks),
            "locks": list(gone.locks),
            "timestamps": gone.hits,
            "buckets": gone.buckets,
            "events": gone.events,
            "deliveries": gone.deliveries,
            "history": gone.history,
            "older_files": self._older_files(dry_run),
            "is_all": gone.is_all,
        }

    def back_up(self) -> Backup:
        """Make a verified copy of the database now. Raises Unavailable, or PodupError when it is not good."""
        moment = self.clock.local(self.clock.now())
        return _copy(self.database, self.backups / f"manual-{moment:%Y%m%d-%H%M%S}.db")

    def _older_files(self, dry_run: bool) -> list[str]:
        """Remove what an older version left, by its exact names; links are left alone."""
        paths = sorted(path for pattern in _OLDER_FILES for path in self.state_dir.glob(pattern))
        found = [path for path in paths if path.is_file() and not path.is_symlink()]
        if not dry_run:
            for path in found:
                remove(path, missing_ok=True)
            for directory in (self.state_dir / name for name in _OLDER_DIRECTORIES):
                if directory.is_dir() and not directory.is_symlink() and not any(directory.iterdir()):
                    remove_tree(directory)
        return [str(path.relative_to(self.state_dir)) for path in found]


def _copy(database: Path, target: Path) -> Backup:
    reader = Reader(database)
    try:
        return backup.back_up(reader, target)
    finally:
        reader.close()


def _task_files(state_dir: Path) -> Iterable[Path]:
    directory = state_dir / "tasks"
    return directory.iterdir() if directory.is_dir() else ()
