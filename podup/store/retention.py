"""Forgets what is old, a little at a time, and says what went or would go.

Every step is a short transaction of its own with a pause after it, so that a webhook never waits for more
than one step. A dry run only counts.
"""

from collections.abc import Callable

from podup.records import dataclass
from podup.store import deliveries, deployments, digests, events, image_locks, limits, outbox, tasks
from podup.store.db import Connection, Writable

DAY_S = 86400.0


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
    """What went, or would go: ids of tasks (their journals are the caller's), locks nobody holds, rows."""

    tasks: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    hits: int = 0
    buckets: int = 0
    events: int = 0
    deliveries: int = 0
    history: int = 0


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


def prune(db: Writable, ages: Ages, *, now_s: float, pause: Callable[[], None]) -> Pruned:
    """Forget what is older than `ages`; `pause` is called between the steps. Raises Unavailable."""
    with db.write() as cx:
        stale = [lock.bucket for lock in image_locks.stale(cx)]
        for bucket in stale:
            image_locks.release(cx, bucket)
        _, buckets = limits.count_older(cx, now_s - ages.hits_s)
    gone: list[str] = []

    def some_tasks(cx: Connection) -> int:
        old = tasks.finished_before(cx, now_s - ages.tasks_s, limit=tasks.PRUNE_ROWS)
        gone.extend(old)
        return tasks.delete(cx, old)

    def in_steps(step: Callable[[Connection], int]) -> int:
        total = 0
        while True:
            pause()
            with db.write() as cx:
                count = step(cx)
            if not count:
                return total
            total += count

    in_steps(some_tasks)
    return Pruned(
        tasks=tuple(gone),
        locks=tuple(stale),
        hits=in_steps(lambda cx: limits.delete_older(cx, now_s - ages.hits_s, limit=500)),
        buckets=buckets,
        events=in_steps(
            lambda cx: events.delete_older(
                cx, now_s - ages.events_s, now_s=now_s, limit=events.PRUNE_ROWS
            )
        ),
        deliveries=in_steps(
            lambda cx: deliveries.delete_older(cx, now_s - ages.deliveries_s, limit=deliveries.PRUNE_ROWS)
        ),
        history=in_steps(lambda cx: _history(cx, now_s - ages.history_s)),
    )


def _history(cx: Connection, cutoff_s: float) -> int:
    return (
        deployments.delete_older(cx, cutoff_s)
        + digests.delete_unseen(cx, cutoff_s)
        + outbox.delete_older(cx, cutoff_s)
        + events.delete_counts(cx, cutoff_s)
    )
