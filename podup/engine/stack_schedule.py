"""Backups of stacks at their times, `backup_cron` in local time.

What is due is remembered in the database, so a restart neither repeats a backup nor forgets one: a time that
passed while nobody looked is made up for once.
"""

from podup.clock import Clock
from podup.core.cron import next_time, parse_cron
from podup.core.stack_map import Stack
from podup.core.states import Trigger
from podup.engine.intake import Intake
from podup.engine.stack_catalogue import StackCatalogue
from podup.store import schedule
from podup.store.db import Connection, Store
from podup.store.schedule import Tick

LONGEST_WAIT_S = 3600.0


class StackSchedule:
    """Submits backups that are due."""

    def __init__(self, stacks: StackCatalogue, *, store: Store, intake: Intake, clock: Clock) -> None:
        self._stacks = stacks
        self._store = store
        self._intake = intake
        self._clock = clock

    def turn(self) -> float:
        """Submit what is due; return the seconds until there is something to do again, an hour at most."""
        waits = [self._look(stack) for stack in self._stacks.stacks if stack.backup_cron]
        return min([LONGEST_WAIT_S, *waits])

    def _look(self, stack: Stack) -> float:
        name, now_s = f"stack-backup:{stack.name}", self._clock.now()
        with self._store.read() as cx:
            known = schedule.tick(cx, name)
        if known is None or known.next_at is None or known.note != stack.backup_cron:
            with self._store.write() as cx:
                return self._plan(cx, stack, name, now_s)
        if known.next_at > now_s:
            return known.next_at - now_s
        with self._store.write() as cx:
            trigger = Trigger("scheduler", reason=f"backup at {stack.backup_cron}")
            self._intake.submit(cx, self._stacks.backup(stack), trigger)
            return self._plan(cx, stack, name, now_s)

    def _plan(self, cx: Connection, stack: Stack, name: str, now_s: float) -> float:
        next_s = next_time(parse_cron(stack.backup_cron), now_s, self._clock.local)
        schedule.set_tick(cx, Tick(name, now_s, float(next_s), stack.backup_cron))
        return max(next_s - now_s, 1.0)
