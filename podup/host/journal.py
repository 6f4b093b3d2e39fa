"""The systemd journal through journalctl(1): what a unit said last, and what it said since."""

import json
from collections.abc import Mapping
from typing import Any

from podup.host.arguments import unit_argument
from podup.host.run import Command, Runner
from podup.records import dataclass

TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One entry: who wrote it, and what."""

    who: str
    text: str


class Journal:
    """The journal of one manager's units. `user` says whether they are the user's or the system's."""

    def __init__(self, runner: Runner, *, user: bool = True) -> None:
        self._runner = runner
        self._scope = ("--user",) if user else ("--system",)

    def tail(self, unit: str, *, lines: int) -> str:
        """Return the newest lines as text, the newest last; what journalctl complained of is in it."""
        words = ("--no-pager", "--output=short-iso", f"--lines={lines}", f"--unit={unit_argument(unit)}")
        argv = ("journalctl", *self._scope, *words)
        done = self._runner.run(Command(argv, mutates=False, timeout_s=TIMEOUT_S))
        return (done.stdout + done.stderr).strip()

    def since(self, unit: str, since_s: float, *, lines: int = 1000) -> tuple[JournalLine, ...]:
        """Return what the unit's journal says since then (Unix seconds), at most the newest `lines`."""
        where = (f"--since=@{since_s:.3f}", f"--lines={lines}")
        words = ("--no-pager", "--output=json", *where, f"--unit={unit_argument(unit)}")
        argv = ("journalctl", *self._scope, *words)
        done = self._runner.run(Command(argv, mutates=False, timeout_s=TIMEOUT_S))
        done.check("journal-failed", f"the journal of {unit} could not be read")
        return tuple(_line(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{"))


def _line(row: Mapping[str, Any]) -> JournalLine:
    message = row.get("MESSAGE") or ""
    if isinstance(message, list):  # journalctl prints bytes that are not UTF-8 as numbers
        message = bytes(message).decode(errors="replace")
    return JournalLine(
        who=str(row.get("SYSLOG_IDENTIFIER") or row.get("_COMM") or ""),
        text=str(message).rstrip(),
    )
