"""Sharing files of tests out to runs side by side, by what they are known to take (seconds.txt)."""

from fnmatch import fnmatch
from pathlib import Path

UNKNOWN_S = 5.0  # a file that is not among them


def shared_out(files: set[Path], shares: int, known: str) -> dict[Path, int]:
    """Which share each file goes to: what takes longest first, each to the share that has least to do.

    `known` are lines of names and seconds; what one line names goes to one share.
    """
    lines = [line.split() for line in known.splitlines() if not line.startswith("#")]
    together: dict[tuple[float, str], list[Path]] = {}
    for file in sorted(files):
        found = ((float(seconds), names) for names, seconds in lines if fnmatch(file.name, names))
        together.setdefault(next(found, (UNKNOWN_S, file.name)), []).append(file)
    busy, share_of = [0.0] * shares, {}
    for (seconds, _), group in sorted(together.items(), reverse=True):
        share = busy.index(min(busy))
        busy[share] += seconds
        share_of |= dict.fromkeys(group, share)
    return share_of
