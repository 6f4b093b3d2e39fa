"""Which process somebody is: a number alone comes again, with its start and the boot it is one of a kind.

Source: proc(5), `/proc/PID/stat` field 22 and `/proc/sys/kernel/random/boot_id`.
"""

from pathlib import Path

from podup.records import dataclass

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
_START_TIME = 19  # of the fields behind the command's name, which may hold anything


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of this machine; `start_time` in clock ticks after the boot `boot_id`."""

    pid: int
    start_time: int
    boot_id: str


def identify(pid: int) -> ProcessIdentity | None:
    """Return which process has this number now; None when none has."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        start_time = int(text.rpartition(")")[2].split()[_START_TIME])
        return ProcessIdentity(pid, start_time, _BOOT_ID.read_text(encoding="ascii").strip())
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(known: ProcessIdentity) -> bool:
    """Return whether the very process still is there."""
    return identify(known.pid) == known
