"""What keeps a running task from being looked after: a journal nobody can read, an outcome nobody can keep.

A fault of one task is that task's alone: it is told once, the task rests for longer and longer, and the
others go on. A fault that lasts does not go away by itself any more; what then becomes of the task is for
the dispatcher to say.
"""

from collections.abc import Mapping

from podup.clock import Clock
from podup.records import dataclass, replace

LASTS_S = 300.0
_FIRST_REST_S = 1.0
_LONGEST_REST_S = 60.0
_KNOWN_TEXTS = 8


@dataclass(frozen=True, slots=True)
class _Setback:
    since_s: float
    rests_s: float
    until_s: float
    told: tuple[str, ...]


class Setbacks:
    """The tasks that could not be looked after when last tried. Changed by one thread, read by any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._met: dict[str, _Setback] = {}

    def meet(self, task_id: str, says: str) -> bool:
        """Let the task rest for a while because of this; return whether that was not told before."""
        now_s = self._clock.monotonic()
        old = self._met.get(task_id) or _Setback(now_s, 0.0, now_s, ())
        rests_s = min(2 * old.rests_s or _FIRST_REST_S, _LONGEST_REST_S)
        told = old.told if says in old.told else (*old.told, says)[-_KNOWN_TEXTS:]
        new = replace(old, rests_s=rests_s, until_s=now_s + rests_s, told=told)
        self._met = {**self._met, task_id: new}
        return told != old.told

    def forget(self, task_id: str) -> bool:
        """The task could be looked after; return whether it could not before."""
        was_met = task_id in self._met
        self._met = {known: setback for known, setback in self._met.items() if known != task_id}
        return was_met

    def rests_s(self, task_id: str) -> float:
        """Return the seconds for which the task is to be left alone; 0 when it is not."""
        setback = self._met.get(task_id)
        return max(setback.until_s - self._clock.monotonic(), 0.0) if setback is not None else 0.0

    def lasts(self, task_id: str) -> bool:
        """Return whether it could not be looked after for so long that waiting helps no more."""
        setback = self._met.get(task_id)
        return setback is not None and self._clock.monotonic() - setback.since_s >= LASTS_S

    @property
    def newest(self) -> Mapping[str, str]:
        """What stands in the way now, by task."""
        return {task_id: setback.told[-1] for task_id, setback in self._met.items()}
