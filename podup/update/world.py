"""What a self-update needs from outside, as small protocols, so that it can be killed in tests at every step.

`Ground` is enough for recovery; `World` is what a whole transaction is given. Implementations over the
real machine are in `podup.update.machine`; the tests have a simulated service with rules.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from podup.clock import Clock
from podup.core.releases import Release
from podup.records import dataclass, field
from podup.update.journal import Build
from podup.update.places import Places

if TYPE_CHECKING:
    from podup.core.host_faults import Problem


@dataclass(frozen=True, slots=True)
class Shape:
    """What a database looks like: its schema number, whether it is sound, and columns and rows by table.

    `is_unread` says that the machine failed to read it: nothing is known of the database then.
    """

    schema: int
    problems: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    is_unread: bool = False


class Database(Protocol):
    """The one database; `Places.database` is its file."""

    def copy(self, source: Path, target: Path) -> str:
        """Copy by SQLite's backup API in one step, verify, and return the SHA-256 of the copy.

        The copy is sound, holds the same rows and is on the disk on return. Raises PodupError.
        """

    def look(self, path: Path) -> Shape:
        """Check integrity and foreign keys, and count; never raises for a broken file, it has `problems`."""


@dataclass(frozen=True, slots=True)
class Running:
    """What the service manager says; `restarts` counts those nobody asked for since the last start.

    `is_coming`: it does not run now, and is being started, or will be by whoever keeps it running.
    `is_stopped`: it does not, because somebody stopped it. `ended` says how it last ended, if known.
    """

    is_active: bool
    is_failed: bool = False
    restarts: int = 0
    is_coming: bool = False
    ended: str = ""
    is_stopped: bool = False


class Service(Protocol):
    """The service that runs the target."""

    def stop(self) -> None:
        """Return when no process of it is left. Raises PodupError."""

    def start(self) -> None:
        """Ask for a start; need not wait for it. Raises PodupError."""

    def look(self) -> Running:
        """Return how it stands."""

    def log_since(self, began: int) -> str:
        """Return where a person reads what it said since then (Unix seconds)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one door (`port`, `socket`) of the running program answered to GET /health.

    `error` is set when it did not answer; `issues` names the components that are not well.
    """

    door: str
    version: str = ""
    txid: str = ""
    issues: frozenset[str] = frozenset()
    has_database: bool = True
    beats: bool = True
    error: str = ""


class Prober(Protocol):
    """Asks the running program how it is."""

    def ask(self) -> tuple[Answer, ...]:
        """Return one answer a door; at least one."""


class Checkout(Protocol):
    """The code layer 1 runs, where it is a checkout. A build is a commit; everything raises PodupError."""

    def head(self) -> Build:
        """Return the commit that is checked out."""

    def fetch(self, wanted: str) -> Build:
        """Fetch, and return the commit `wanted` names, the newest of the branch when it is empty."""

    def lay_out(self, commit: Build, directory: Path) -> "Problem | None":
        """Put the commit's code into the new `directory`, with the packages it needs that are not installed.

        Returns why they cannot be had, None when all is there.
        """

    def keep(self) -> Path:
        """Make the good copy of what is checked out; return the directory to run it from."""

    def back_up(self, stamp: int) -> None:
        """Keep an archive of the code with all that git does not know, named by `stamp` (Unix seconds)."""

    def switch(self, after: Build) -> None:
        """Bring code and installed requirements to `after`; may be cut off anywhere."""

    def restore(self, before: Build, after: Build, stamp: int) -> None:
        """Bring them back; can be run again when it was cut off."""


@dataclass(frozen=True, slots=True)
class DryStart:
    """What `boot-check` of a program printed: its version and schema; or why it printed neither."""

    version: str = ""
    schema: int = 0
    problem: "Problem | None" = None


class Releases(Protocol):
    """The release server."""

    def newest(self) -> Release | None:
        """Return the newest release of the channel. Raises PodupError."""

    def named(self, tag: str) -> Release:
        """Return the release of that tag. Raises PodupError."""

    def url_of(self, tag: str) -> str:
        """Return where the program of that tag is. Raises PodupError."""

    def fetch(self, release: Release, target: Path) -> str:
        """Download and verify the program into the new file `target`; return its SHA-256.

        Raises PodupError; then nothing is left at `target`.
        """


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A verdict must hold for `settle_s` within `trial_s`; the way back is judged shorter."""

    trial_s: float = 120.0
    settle_s: float = 10.0
    back_trial_s: float = 60.0
    back_settle_s: float = 3.0
    every_s: float = 0.2
    tasks_s: float = 900.0
    coming_s: float = 30.0
    daemon_lock_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What recovery works with. `log` takes one line for the person who watches.

    `checkout` is there where the program is a checkout and not a file; `keep_versions` is how many programs
    are kept to go back to.
    """

    places: Places
    clock: Clock
    database: Database
    log: Callable[[str], None]
    boot_id: str = ""
    host: str = ""
    pid: int = 0
    checkout: Checkout | None = None
    keep_versions: int = 3


@dataclass(frozen=True, slots=True)
class World:
    """What a transaction works with. `service` is None where nothing runs the target.

    `may_begin` returns why an automatic update has to wait (a closed window, a canary share this machine
    is not in), empty when it may go on now. With `is_judged` off nothing is expected of the service: it did
    not come up before either. `free_bytes` measures the room of a directory's file system. `dry_start` is
    given a program, a copy of the database, and by how much its time is multiplied.
    """

    ground: Ground
    service: Service | None
    prober: Prober
    releases: Releases
    dry_start: Callable[[Path, Path | None, int], DryStart]
    may_begin: Callable[[str], str] = lambda version: ""
    free_bytes: Callable[[Path], int] = lambda directory: 1 << 62
    timing: Timing = Timing()
    is_judged: bool = True
