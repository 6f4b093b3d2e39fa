"""What is kept of a stack's task when it ends: a line in the log, and a row in the table."""

from collections.abc import Callable, Mapping
from typing import Any

from podup.core.states import Status
from podup.engine.record import Outcome
from podup.engine.stack_log import StackLog
from podup.store import stack_history
from podup.store.db import Connection
from podup.store.stack_history import StackEntry
from podup.store.tasks import Task


def stack_history_keeper(
    log: StackLog,
) -> Callable[[Connection, Task, Outcome, Mapping[str, Any], float], None]:
    """Return the keeper of what recipes remember as `stack-history`.

    It runs inside the transaction that ends the task. The line comes first and is written once; when the
    transaction fails, the next try finds the line and adds the row.
    """

    def keep(cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float) -> None:
        reason = "" if outcome.status is Status.SUCCEEDED else outcome.summary
        notes = log.tell(values, at=now_s, reason=reason, task_id=task.id)
        entry = StackEntry(
            now_s,
            stack=values["stack"],
            action=values["action"],
            status=values["status"],
            env=values.get("env", ""),
            version=values.get("version", ""),
            notes=notes,
            task_id=task.id,
        )
        stack_history.insert(cx, entry)

    return keep
