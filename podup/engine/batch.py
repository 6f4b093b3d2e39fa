"""A batch: one row above the tasks of one request, which ends when all of them have."""

from collections.abc import Sequence

from podup.core.states import Status
from podup.store import tasks
from podup.store.db import Connection
from podup.store.tasks import Ending, Task

_WORST_FIRST = (
    Status.FAILED,
    Status.UNKNOWN,
    Status.ROLLED_BACK,
    Status.INTERRUPTED,
    Status.CANCELLED,
    Status.SUCCEEDED,
    Status.PLANNED,
    Status.SKIPPED,
)


def settle_batches(cx: Connection, parent_id: str, now_s: float) -> None:
    """End the parent when none of its tasks is alive any more."""
    if not parent_id:
        return
    children = tasks.children(cx, parent_id)
    if any(not child.status.is_final for child in children):
        return
    status, summary = sum_up(children)
    tasks.finish(cx, parent_id, Ending(status, str(status), summary), now=now_s)


def sum_up(children: Sequence[Task]) -> tuple[Status, str]:
    """Return the gravest status among the tasks, and how many ended how."""
    counts = {status: sum(1 for child in children if child.status is status) for status in _WORST_FIRST}
    worst = next((status for status in _WORST_FIRST if counts[status]), Status.SKIPPED)
    says = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items() if count)
    return worst, says or "nothing to do"
