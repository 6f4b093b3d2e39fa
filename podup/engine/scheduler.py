"""The scheduler: looks without being asked, and so catches the pushes nobody told of.

A tick is due at an interval or by cron, late by up to a jitter. Moments are kept in the database, so a
restart neither forgets a tick nor adds one; however many were missed (the machine slept, the clock was set),
one tick makes up for them. A clock set back cannot put the next tick off for longer than a period. What
only works in a maintenance window is next looked at when one opens, whatever the timetable says.
"""

import threading
from collections.abc import Callable

from podup.clock import Clock
from podup.core.cron import Cron, next_time
from podup.engine.ticks import Ticked, Ticker
from podup.records import dataclass
from podup.store import schedule
from podup.store.db import Store
from podup.store.schedule import Tick

NAME = "scheduler"
_FIRST_AFTER_S = 60.0
_LONGEST_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Timetable:
    """When ticks come: every `interval_s`, or by `cron` in local time; each late by up to `jitter_s`."""

    interval_s: float
    cron: Cron | None = None
    jitter_s: float = 0.0

    def after(self, moment_s: float, clock: Clock) -> float:
        """Return when the first tick after `moment_s` is due, without jitter; both in Unix seconds."""
        if self.cron is None:
            return moment_s + self.interval_s
        return float(next_time(self.cron, moment_s, clock.local))

    def late_s(self, random_bytes: Callable[[int], bytes]) -> float:
        """Return by how much the next tick is late, a random part of the jitter."""
        return self.jitter_s * int.from_bytes(random_bytes(4), "big") / 2**32


class Scheduler:
    """Lets the ticker tick when it is time. `turn` belongs to one thread, `tick` to any."""

    def __init__(
        self,
        ticker: Ticker,
        timetable: Timetable,
        store: Store,
        clock: Clock,
        *,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.ticker = ticker
        self.timetable = timetable
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes
        self._due_s: float | None = None
        self._late_s = 0.0
        self._lock = threading.Lock()

    def turn(self) -> float:
        """Tick if it is time; return the seconds after which to call again."""
        now_s = self._clock.now()
        if self._due_s is None:
            self._due_s = self._first_due(now_s)
        # A clock that was set back must not leave the next tick far ahead.
        self._due_s = min(self._due_s, self._next_due(now_s))
        if now_s >= self._due_s:
            self._due_s = now_s + min(self.timetable.interval_s, _FIRST_AFTER_S)  # should the tick fail
            self.tick()
        return min(max(self._due_s - self._clock.now(), 0.0), _LONGEST_WAIT_S)

    def tick(self, *, caller: str = "", reason: str = "", mode: str = "") -> Ticked:
        """Tick now; the next one comes a period later. Two at once come one after the other."""
        with self._lock:
            done = self.ticker.tick(caller=caller, reason=reason, mode=mode)
            now_s = self._clock.now()
            self._late_s = self.timetable.late_s(self._random_bytes)
            due_s = self._due_s = self._next_due(now_s)
            with self._store.write() as cx:
                schedule.set_tick(cx, Tick(NAME, now_s, due_s, done.says))
        return done

    def last(self) -> Tick | None:
        """Return when the last tick was and the next one is due, None before the first."""
        with self._store.read() as cx:
            return schedule.tick(cx, NAME)

    def _first_due(self, now_s: float) -> float:
        last = self.last()
        if last is not None and last.last_at <= now_s:
            return max(self.timetable.after(last.last_at, self._clock), now_s)
        if self.timetable.cron is not None:
            return self.timetable.after(now_s, self._clock)
        return now_s + min(self.timetable.interval_s, _FIRST_AFTER_S)

    def _next_due(self, now_s: float) -> float:
        """Return when to tick after now: when the window opens, if all has to wait for one."""
        return (self.ticker.opens_s(now_s) or self.timetable.after(now_s, self._clock)) + self._late_s
