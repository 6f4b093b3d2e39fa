"""Sliding windows: at most so many in so long a time.

Pure: the caller keeps the times (Unix seconds) and asks. An attempt that is refused does not count, so one
who keeps asking is let in as soon as the window has room. Times ahead of the clock (it was set back) count
as now, so they can never block for longer than one window.
"""

from collections.abc import Iterable

from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any `window_s` seconds."""

    count: int
    window_s: int


def recent(times: Iterable[float], now: float, window_s: int) -> list[float]:
    """Return the times that still count, oldest first."""
    return sorted(min(time, now) for time in times if min(time, now) > now - window_s)


def retry_after(times: Iterable[float], now: float, *rates: Rate) -> int:
    """Return 0 when one more is allowed by every rate, else whole seconds until it is."""
    kept = list(times)
    waits = [0]
    for rate in rates:
        inside = recent(kept, now, rate.window_s)
        if len(inside) >= rate.count:
            leaves = inside[len(inside) - rate.count] + rate.window_s
            waits.append(max(1, int(-(-(leaves - now) // 1))))
    return max(waits)


def kept_for(times: Iterable[float], now: float, *rates: Rate) -> list[float]:
    """Return the times any of the rates still needs; the others can be dropped."""
    return recent(times, now, max(rate.window_s for rate in rates))
