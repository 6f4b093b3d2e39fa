"""A clock that stands still until somebody sleeps."""

from datetime import UTC, datetime


class ManualClock:
    """A `podup.clock.Clock` for tests: sleeping takes no time and moves it on. Local time is UTC."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._start = now
        self._passed = 1000.0

    def now(self) -> float:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed

    def sleep(self, seconds: float) -> None:
        self._passed += max(0.0, seconds)

    def local(self, unix_s: float) -> datetime:
        return datetime.fromtimestamp(unix_s, UTC)
