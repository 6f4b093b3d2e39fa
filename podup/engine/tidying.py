"""What an operator asks for to keep the state directory in shape: forget what is old, copy the database.

`prune` does what is done each hour anyway, with an age of the operator's, and removes the files an older
version of this program kept its rate limits and locks in. A dry run only tells.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from podup.clock import Clock
from podup.engine.storage import Store
from podup.engine.upkeep import forget_old
from podup.files import remove, remove_tree
from podup.records import dataclass, replace
from podup.store import backup
from podup.store.backup import Backup
from podup.store.db import Reader
from podup.store.retention import Ages

_OLDER_FILES = (
    "ratelimit.db",
    "ratelimit.lock",
    "github-image-limits/*.db",
    "github-image-limits/*.lock",
    "github-image-locks/*.lock",
)
_OLDER_DIRECTORIES = ("github-image-limits", "github-image-locks")


@dataclass(frozen=True, slots=True)
class Tidying:
    """Looks after one state directory and its database; `ages` hold where the operator names none."""

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

        Rate hits are kept at least as long as any window counts them.
        """
        ages = self.ages
        if max_age_s is not None:
            ages = replace(ages, tasks_s=max_age_s, hits_s=max(max_age_s, ages.hits_s))
        gone = forget_old(self.store, self.state_dir, ages, self.clock, dry_run=dry_run)
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
        }

    def back_up(self) -> Backup:
        """Make a verified copy of the database now. Raises Unavailable, or PodupError when it is not good."""
        target = self.backups / f"manual-{_stamp(self.clock.local(self.clock.now()))}.db"
        reader = Reader(self.database)
        try:
            return backup.back_up(reader, target)
        finally:
            reader.close()

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


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%d-%H%M%S}"
