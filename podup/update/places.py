"""Where everything of a self-update lies.

Beside the target: `T.old` (the program before), `T.new.<txid>` (not executable before it is verified) and
a lock. Under the state directory: journal, lock, kept versions, backups, spool, what is remembered.
"""

import os
from pathlib import Path

from podup.core.releases import ASSET
from podup.errors import Refused
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Places:
    """`target` is the installed program, a regular file; `database` and `reports` are where settings say."""

    state: Path
    target: Path
    database: Path
    reports: Path

    @property
    def is_checkout(self) -> bool:
        """Whether the program is a directory of code that layer 1 runs."""
        return self.target.is_dir()

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


def check_writable(places: Places) -> None:
    """See that a new program can be put beside the target, or into it when that is a checkout.

    Raises Refused `target-not-writable`.
    """
    directory = places.target if places.is_checkout else places.target.parent
    if not os.access(directory, os.W_OK | os.X_OK):
        hint = "check its owner and mode, or set TARGET_BIN"
        raise Refused("target-not-writable", f"{directory} is not writable: no update can be put there", hint)


def resolve_target(target: Path) -> Path:
    """Return the file behind `target`: links are followed, so that the link itself stays.

    Raises Refused `target-missing`, `target-not-a-file`.
    """
    try:
        real = target.resolve()
    except (OSError, RuntimeError) as error:  # a link that leads to itself; which one depends on Python
        why = f"{target} leads nowhere: {error}"
        raise Refused("target-missing", why, "set TARGET_BIN to the installed program") from error
    if not real.exists():
        raise Refused(
            "target-missing",
            f"there is no program at {target}",
            f"put {ASSET} there first, or set TARGET_BIN",
        )
    if not real.is_file():
        raise Refused(
            "target-not-a-file", f"{target} is not a file", "set TARGET_BIN to the installed program"
        )
    return real
