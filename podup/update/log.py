"""The log of self-updates: one line an event, `UNIX_SECONDS TXID text`, shared by all transactions.

It is for people: whoever watches an update, and the end of its report. So it must not stop the work it tells
of, and a line that a full disk refuses is lost.
"""

from collections.abc import Callable
from pathlib import Path

from podup.clock import Clock
from podup.errors import Unavailable
from podup.files import append_line, remove

_LARGEST_BYTES = 1024 * 1024
_LONGEST_LINE = 2000


def logger(path: Path, txid: str, clock: Clock, echo: Callable[[str], None]) -> Callable[[str], None]:
    """Return what takes the lines of a transaction: `echo` hears each, then it is appended to the log."""

    def log(line: str) -> None:
        echo(line)
        flat = " ".join(line.split())[:_LONGEST_LINE]
        try:
            if path.exists() and path.stat().st_size > _LARGEST_BYTES:
                remove(path, missing_ok=True)
            append_line(path, f"{int(clock.now())} {txid} {flat}")
        except (Unavailable, FileNotFoundError):
            pass  # a full disk must not keep the old program away

    return log


def lines_of(path: Path, txid: str) -> list[str]:
    """Return the lines of a transaction, oldest first; none where the log cannot be read."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    mark = f" {txid} "
    return [line.partition(mark)[2] for line in text.splitlines() if mark in line]
