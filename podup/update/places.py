"""Where everything of a self-update lies.

Beside the target: `T.old` (the program before), `T.new.<txid>` (not executable before it is verified) and
a lock. Under the state directory: journal, lock, kept versions, backups, spool, what is remembered.
"""

import os
from pathlib import Path

import podup
from podup.core.releases import ASSET
from podup.errors import Refused
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Places:
    """`target` is the installed program, links followed; `database` and `reports` are where settings say.

    With `is_checkout` the target is a directory of code that layer 1 runs. Whether anything fit stands at the
    target says `check_target`: what only looks and tells does without it.
    """

    state: Path
    target: Path
    database: Path
    reports: Path
    is_checkout: bool = False

    @property
    def good_code(self) -> Path:
        """The code of a checkout as it was before the last update: runs updates and recovery."""
        return self.state / "code-good"

    @property
    def journal(self) -> Path:
        return self.state / "UPDATE_LOCK.json"

    @property
    def lock(self) -> Path:
        return self.state / "update.flock"

    @property
    def target_lock(self) -> Path:
        if self.is_checkout:
            return self.state / "code.flock"
        return self.target.with_name(f".{self.target.name}.flock")

    @property
    def daemon_lock(self) -> Path:
        return self.state / "daemon.lock"

    @property
    def old(self) -> Path:
        return self.target.with_name(self.target.name + ".old")

    def new(self, txid: str) -> Path:
        return self.target.with_name(f"{self.target.name}.new.{txid}")

    @property
    def releases(self) -> Path:
        return self.state / "releases"

    @property
    def good(self) -> Path:
        """The known good program: runs recovery (`boot-guard`); always a whole file."""
        return self.releases / "good.pyz"

    @property
    def backups(self) -> Path:
        return self.state / "backups" / "auto_update"

    @property
    def scratch(self) -> Path:
        """Copies of the database that are migrated to try a program; emptied at every end."""
        return self.state / "update-scratch"

    @property
    def spool(self) -> Path:
        return self.state / "spool"

    @property
    def tasks(self) -> Path:
        return self.state / "tasks"

    @property
    def rejected(self) -> Path:
        return self.state / "rejected.json"

    @property
    def hold(self) -> Path:
        return self.state / "HOLD.json"

    @property
    def starts(self) -> Path:
        """How often the program was started since it last stood; there is none while it stands."""
        return self.state / "starts.json"

    @property
    def history(self) -> Path:
        return self.state / "update-history.jsonl"

    @property
    def listening(self) -> Path:
        """Where the daemon listens, written by itself: the address to judge the next one at."""
        return self.state / "listening.json"

    @property
    def supervisor(self) -> Path:
        """The pid of layer 1 (`scripts/entrypoint.sh`) while it lives."""
        return self.state / "supervisor.pid"

    def request(self, txid: str) -> Path:
        """What the process of a transaction is given: settings, secrets included; 0600 and short-lived."""
        return self.state / f"update-request-{txid}.json"

    @property
    def supervised(self) -> Path:
        """The number of the process layer 1 started last."""
        return self.state / "supervised.pid"

    @property
    def log(self) -> Path:
        return self.state / "update.log"

    @property
    def release_cache(self) -> Path:
        return self.releases / "server.json"


def own_file() -> Path | None:
    """Return the zip this program runs from, None in a checkout."""
    archive = getattr(getattr(podup, "__loader__", None), "archive", None)
    return Path(archive).resolve() if archive else None


def behind(target: Path) -> Path:
    """Return the file behind `target`: links are followed, so that the link itself stays."""
    return target.resolve() if os.path.exists(target) else target


def check_target(places: Places) -> None:
    """See that a program is installed that can be replaced.

    Raises Refused `target-missing`, `target-not-a-file`, `target-not-writable`.
    """
    target = places.target
    if places.is_checkout and not target.is_dir():
        raise Refused("target-missing", f"there is no checkout at {target}", "set CODE_DIR to it")
    if not os.path.exists(target):
        missing = f"there is no program at {target}"
        raise Refused("target-missing", missing, f"put {ASSET} there first, or set TARGET_BIN")
    if not places.is_checkout and not target.is_file():
        hint = "set TARGET_BIN to the installed program"
        raise Refused("target-not-a-file", f"{target} is not a file", hint)
    directory = target if places.is_checkout else target.parent
    if not os.access(directory, os.W_OK | os.X_OK):
        hint = "check its owner and mode, or set TARGET_BIN"
        raise Refused("target-not-writable", f"{directory} is not writable: no update can be put there", hint)
