"""Maintenance windows: when, in local time, work may start.

A window is days and a time of day (`sat,sun 02:00-04:00`); one whose end is not after its start runs over
midnight and belongs to the day it starts on. No window means: always open. Times that daylight saving skips
or repeats are taken as the clock on the wall shows them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from podup.core.local_time import Local, moment_of
from podup.patterns import regex
from podup.records import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = regex(r"([01]\d|2[0-3]):([0-5]\d)|(24):(00)")
_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """Open on these days (0 is Monday) from `start` to `end`, minutes since midnight."""

    days: tuple[int, ...]
    start: int
    end: int

    @property
    def length(self) -> int:
        """Minutes it is open for."""
        return self.end - self.start if self.end > self.start else self.end - self.start + _MINUTES

    def __str__(self) -> str:
        days = "daily" if len(self.days) == 7 else ",".join(DAYS[day] for day in self.days)
        return f"{days} {_clock(self.start)}-{_clock(self.end)}"


def parse_window(text: str) -> Window:
    """Return the window written as `mon-fri 22:00-04:00`, `sat,sun 02:00-04:00` or `daily 03:00-05:00`.

    Raises ValueError with what was wrong. Without days it is daily.
    """
    parts = text.lower().split()
    if not 1 <= len(parts) <= 2:
        raise ValueError("want days and times, such as sat,sun 02:00-04:00")
    start, dash, end = parts[-1].partition("-")
    if not dash:
        raise ValueError("want times such as 02:00-04:00")
    days = _days(parts[0]) if len(parts) == 2 else tuple(range(7))
    window = Window(days, _minutes(start), _minutes(end))
    if window.start == window.end or window.start == _MINUTES:
        raise ValueError("a window must begin before 24:00 and end at another time than it begins")
    return window


def _days(text: str) -> tuple[int, ...]:
    if text in ("daily", "*"):
        return tuple(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{part!r} is not a day; want mon tue wed thu fri sat sun, mon-fri or daily")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return tuple(sorted(found))


def _minutes(text: str) -> int:
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a time of day; want HH:MM")
    return int(found[1] or found[3]) * 60 + int(found[2] or found[4])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def is_open(windows: Sequence[Window], now: datetime) -> bool:
    """Return whether work may start at `now` (local, aware): inside a window, or there is none."""
    return not windows or any(_contains(window, now) for window in windows)


def _contains(window: Window, now: datetime) -> bool:
    minute = now.hour * 60 + now.minute
    if now.weekday() in window.days and window.start <= minute < window.start + window.length:
        return True
    yesterday = (now.weekday() - 1) % 7
    return yesterday in window.days and minute + _MINUTES < window.start + window.length


def next_opening(windows: Sequence[Window], now: float, local: Local) -> int | None:
    """Return when, after `now`, a window next opens, in Unix seconds; None when there is no window at all."""
    today = local(now).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    found = [
        moment
        for window in windows
        for ahead in range(9)
        if (day := today + timedelta(days=ahead)).weekday() in window.days
        if (moment := moment_of(day + timedelta(minutes=window.start), local)) > now
    ]
    return min(found, default=None)
