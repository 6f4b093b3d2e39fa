"""What to copy from a stack's source directory to its run directory, from two listings.

Copied are regular files whose content or executable bit differs. Never touched: `.env` and its variants,
data directories and database files, version control, anything a container may write to, links and special
files. Nothing is ever deleted: a file that is only in the run directory stays.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from podup.records import dataclass

_NEVER = (
    ".env", ".env.*", "*.env", ".git", ".svn", ".hg", "data", "data-*", "*-data", "volumes", "backups",
    "postgres", "pgdata", "*.db", "*.sqlite", "*.sqlite3", "*.db-wal", "*.db-shm", "*.pem", "*.key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a listing: relative `path`; `sha256` is empty for what is no regular file."""

    path: str
    sha256: str = ""
    is_executable: bool = False


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Paths of the source by what happens to them; what is the same in both directories is not among them."""

    create: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()

    @property
    def copies(self) -> tuple[str, ...]:
        return self.create + self.update


def plan_sync(source: Iterable[Entry], target: Iterable[Entry], mounts: Iterable[str] = ()) -> SyncPlan:
    """Return what to do; `mounts` are paths in the run directory that containers may write to."""
    here: Mapping[str, Entry] = {entry.path: entry for entry in target}
    mounted = tuple(str(PurePosixPath(mount)) for mount in mounts)
    sorted_into: dict[str, list[str]] = {"create": [], "update": [], "same": [], "left_alone": []}
    for entry in sorted(source, key=lambda entry: entry.path):
        sorted_into[_what(entry, here, mounted)].append(entry.path)
    return SyncPlan(*(tuple(sorted_into[name]) for name in ("create", "update", "left_alone")))


def is_protected(path: str, mounts: tuple[str, ...] = ()) -> bool:
    """Return whether sync leaves `path` alone, whatever the source says."""
    parts = PurePosixPath(path).parts
    if ".." in parts or PurePosixPath(path).is_absolute():
        return True
    if any(path == mount or path.startswith(f"{mount}/") for mount in mounts):
        return True
    return any(fnmatchcase(part, pattern) for part in parts for pattern in _NEVER)


def _what(entry: Entry, here: Mapping[str, Entry], mounts: tuple[str, ...]) -> str:
    if not entry.sha256 or is_protected(entry.path, mounts):
        return "left_alone"
    old = here.get(entry.path)
    if old is None:
        inside = any(known.path.startswith(f"{entry.path}/") for known in here.values())
        return "left_alone" if inside else "create"
    if not old.sha256:
        return "left_alone"
    return "same" if (old.sha256, old.is_executable) == (entry.sha256, entry.is_executable) else "update"
