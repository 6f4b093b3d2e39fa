"""The daemon's chores: a table of duties, each done again after its time, one after the other in one thread.

Times between are counted by the monotonic clock, so a clock that is set makes none of them come in a burst
or stay away. A kept duty (a daily one) remembers over a restart when it was last done. What a duty is
refused (PodupError) is told once and not again until it says something else; the others go on.
"""

import threading
from collections.abc import Callable, Sequence

from podup.clock import Clock
from podup.errors import PodupError
from podup.records import dataclass
from podup.store import schedule
from podup.store.db import Store
from podup.store.schedule import Tick

_LONGEST_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Duty:
    """One row: done `first_s` after the start and then `every_s` after it was begun.

    `work` may return the seconds until it wants to be called again. A `kept` duty is not done at a start
    that comes sooner than `every_s` after the last time.
    """

    name: str
    every_s: float
    work: Callable[[], float | None]
    first_s: float = 0.0
    kept: bool = False


class Chores:
    """Does the duties when they are due. `turn` belongs to one thread, `hurry` to any."""

    def __init__(
        self, duties: Sequence[Duty], store: Store, clock: Clock, *, say: Callable[[str], None]
    ) -> None:
        self._duties = tuple(duties)
        self._store = store
        self._clock = clock
        self._say = say
        self._due_s: dict[str, float] = {}
        self._hurried: set[str] = set()
        self._hurry_lock = threading.Lock()
        self._said: dict[str, str] = {}

    def turn(self) -> float:
        """Do what is due; return the seconds after which to call again."""
        if not self._due_s:
            started_s = self._clock.monotonic()
            self._due_s = {duty.name: started_s + self._first_in_s(duty) for duty in self._duties}
        self._take_hurried()
        for duty in self._duties:
            if self._due_s[duty.name] <= self._clock.monotonic():
                self._do(duty)
        wait_s = min(self._due_s.values(), default=_LONGEST_WAIT_S) - self._clock.monotonic()
        return min(max(wait_s, 0.0), _LONGEST_WAIT_S)

    def hurry(self, name: str) -> None:
        """Let this duty come with the next turn; whoever calls `turn` is to be woken."""
        with self._hurry_lock:
            self._hurried.add(name)

    def _take_hurried(self) -> None:
        with self._hurry_lock:
            hurried, self._hurried = self._hurried, set()
        now_s = self._clock.monotonic()
        self._due_s |= {name: now_s for name in hurried if name in self._due_s}

    def _first_in_s(self, duty: Duty) -> float:
        if not duty.kept:
            return duty.first_s
        with self._store.read() as cx:
            last = schedule.tick(cx, duty.name)
        passed_s = self._clock.now() - last.last_at if last is not None else duty.every_s
        return max(duty.first_s, min(max(duty.every_s - passed_s, 0.0), duty.every_s))

    def _do(self, duty: Duty) -> None:
        self._due_s[duty.name] = self._clock.monotonic() + duty.every_s
        trouble = ""
        try:
            again_s = duty.work()
            if again_s is not None:
                self._due_s[duty.name] = self._clock.monotonic() + again_s
        except PodupError as error:
            trouble = f"{duty.name}: {error.on_one_line}"
        if trouble and trouble != self._said.get(duty.name):
            self._say(f"chore {trouble}")
        self._said[duty.name] = trouble
        if duty.kept and not trouble:
            with self._store.write() as cx:
                schedule.set_tick(cx, Tick(duty.name, self._clock.now()))
