"""Forgets what is old, a little at a time, and says what went or would go.

A webhook that comes meanwhile waits for one step at most. So a step is a short transaction over as many rows
as this disk lets go of in a hundredth of a second; what it wrote is moved to its place in a turn of its own,
lest a webhook's commit does it; and the pause after it is no shorter than both. A dry run only counts.
"""

import math
from collections.abc import Callable

from podup.clock import Clock
from podup.records import dataclass
from podup.store import deliveries, deployments, digests, events, image_locks, limits, outbox, tasks
from podup.store.db import Connection, Writable

DAY_S = 86400.0
_STEP_S = 0.01
_PAUSE_S = 0.05
_LEAST_ROWS = 10
_MOST_ROWS = 320

Step = Callable[[Connection, int], int]
"""Forgets up to so many rows and returns how many went."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long what is kept, in seconds; tasks from their end on, rate hits at least as long as a window."""

    tasks_s: float = DAY_S
    hits_s: float = DAY_S
    events_s: float = float(events.RETENTION_S)
    deliveries_s: float = float(deliveries.RETENTION_S)
    history_s: float = 365 * DAY_S


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go: ids of tasks (their journals are the caller's), locks nobody holds, rows.

    `is_all` is False when the time was up before the last row.
    """

    tasks: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    hits: int = 0
    buckets: int = 0
    events: int = 0
    deliveries: int = 0
    history: int = 0
    is_all: bool = True


def outlook(cx: Connection, ages: Ages, *, now_s: float) -> Pruned:
    """Return what `prune` would do now. History is not counted ahead."""
    hits, buckets = limits.count_older(cx, now_s - ages.hits_s)
    return Pruned(
        tasks=tuple(tasks.finished_before(cx, now_s - ages.tasks_s, limit=-1)),
        locks=tuple(lock.bucket for lock in image_locks.stale(cx)),
        hits=hits,
        buckets=buckets,
        events=events.count_older(cx, now_s - ages.events_s),
        deliveries=deliveries.count_older(cx, now_s - ages.deliveries_s),
    )


def prune(db: Writable, ages: Ages, clock: Clock, *, for_s: float = math.inf) -> Pruned:
    """Forget what is older than `ages`, for about `for_s` seconds at most. Raises Unavailable."""
    now_s = clock.now()
    with db.write() as cx:
        stale = [lock.bucket for lock in image_locks.stale(cx)]
        for bucket in stale:
            image_locks.release(cx, bucket)
        _, buckets = limits.count_older(cx, now_s - ages.hits_s)
    gone: list[str] = []

    def some_tasks(cx: Connection, rows: int) -> int:
        old = tasks.finished_before(cx, now_s - ages.tasks_s, limit=rows)
        gone.extend(old)
        return tasks.delete(cx, old)

    walk = _Walk(db, clock, for_s=for_s)
    walk.take(some_tasks)
    return Pruned(
        tasks=tuple(gone),
        locks=tuple(stale),
        hits=walk.take(lambda cx, rows: limits.delete_older(cx, now_s - ages.hits_s, limit=rows)),
        buckets=buckets,
        events=walk.take(
            lambda cx, rows: events.delete_older(cx, now_s - ages.events_s, now_s=now_s, limit=rows)
        ),
        deliveries=walk.take(
            lambda cx, rows: deliveries.delete_older(cx, now_s - ages.deliveries_s, limit=rows)
        ),
        history=sum(walk.take(_of_history(delete, now_s - ages.history_s)) for delete in _HISTORY),
        is_all=not walk.is_over,
    )


class _Walk:
    """Takes steps until nothing is left for them, or the time is up (`is_over`)."""

    def __init__(self, db: Writable, clock: Clock, *, for_s: float) -> None:
        self.is_over = False
        self._db = db
        self._clock = clock
        self._until_s = clock.monotonic() + for_s
        self._rows = _LEAST_ROWS

    def take(self, step: Step) -> int:
        """Return how many rows went."""
        total = 0
        while not self.is_over:
            with self._db.write() as cx:
                begun_s = self._clock.monotonic()
                count = step(cx, self._rows)
            if not count:
                break
            total += count
            written_s = self._clock.monotonic()
            self._db.checkpoint()
            moved_s = self._clock.monotonic()
            self._fit(max(written_s - begun_s, moved_s - written_s))
            self._clock.sleep(max(_PAUSE_S, moved_s - begun_s))
            self.is_over = self._clock.monotonic() >= self._until_s
        return total

    def _fit(self, took_s: float) -> None:
        if took_s > _STEP_S:
            self._rows = max(self._rows // 2, _LEAST_ROWS)
        elif took_s < _STEP_S / 2:
            self._rows = min(self._rows * 2, _MOST_ROWS)


_HISTORY = (deployments.delete_older, digests.delete_unseen, outbox.delete_older, events.delete_counts)


def _of_history(delete: Callable[..., int], cutoff_s: float) -> Step:
    return lambda cx, rows: delete(cx, cutoff_s, limit=rows)
