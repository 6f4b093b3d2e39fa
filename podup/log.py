"""The program's log: lines on standard error, where systemd and people read them.

It must not stop the work it tells of: what cannot be written (a full disk, a reader that went away) is lost,
and nothing else is.
"""

import sys
from contextlib import suppress


def say(text: str) -> None:
    """Write one line, or the lines of a trace; from any thread."""
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
