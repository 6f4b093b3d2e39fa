"""Moments as a terminal shows them: by the clock on this machine's wall, to the second."""

from podup.clock import SystemClock


def when(at_s: float) -> str:
    """Return a moment, in Unix seconds, as people read it."""
    return f"{SystemClock().local(at_s):%Y-%m-%d %H:%M:%S}"
