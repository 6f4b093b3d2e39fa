"""The last webhook body whose signature did not match, kept for an operator to look at.

The loop only hands it over, so a flood of bad signatures costs neither a write nor a sync each: at most one
file a second is written, by whoever calls `turn`, and the newest body wins.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from podup.clock import Clock
from podup.files import durable_write

WRITE_EVERY_S = 1.0
_FOR_EVER_S = 86400.0


class LastPayload:
    """Keeps one body in a file (0600). `wake` asks for a `turn`; it is called once for many bodies."""

    def __init__(self, path: Path, clock: Clock, *, wake: Callable[[], None]) -> None:
        self._path = path
        self._clock = clock
        self._wake = wake
        self._guard = threading.Lock()
        self._waiting: bytes | None = None
        self._written_s = clock.monotonic() - WRITE_EVERY_S

    def keep(self, body: bytes) -> None:
        """Remember the body until the next `turn`; from any thread."""
        with self._guard:
            is_first, self._waiting = self._waiting is None, body
        if is_first:
            self._wake()

    def turn(self) -> float:
        """Write what waits, at most once a second; return the seconds until the next call.

        Raises PodupError when it cannot be written (a full disk, for instance); it then waits on.
        """
        if self._waiting is None:
            return _FOR_EVER_S
        early_s = self._written_s + WRITE_EVERY_S - self._clock.monotonic()
        if early_s > 0:
            return early_s
        body = self._waiting
        self._written_s = self._clock.monotonic()
        durable_write(self._path, body)
        with self._guard:  # one that came meanwhile is the newest, and nobody calls for it again
            if self._waiting is not body:
                return WRITE_EVERY_S
            self._waiting = None
        return _FOR_EVER_S
