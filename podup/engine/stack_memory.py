"""What is kept of a stack's task when it ends: a line in the log, a row in the table, and what follows."""

from collections.abc import Callable, Mapping
from typing import Any

from podup.core.states import Status, Trigger
from podup.engine.intake import Intake, Intent
from podup.engine.memory import Keeper
from podup.engine.record import Outcome
from podup.engine.stack_catalogue import StackCatalogue
from podup.engine.stack_log import StackLog
from podup.store import stack_history
from podup.store.db import Connection
from podup.store.stack_history import StackEntry
from podup.store.tasks import Task


def stack_keepers(log: StackLog, intake: Intake, stacks: StackCatalogue) -> Mapping[str, Keeper]:
    """Return the keepers of what recipes of stacks remember; `stacks` makes the intents that follow."""
    return {
        "stack-history": _history_keeper(log),
        "stack-check": _follow_up(intake, stacks.look),
        "stack-return": _follow_up(intake, stacks.give_back),
        "stack-unproven": lambda cx, task, outcome, values, now_s: stacks.withdraw(values),
    }


def _history_keeper(log: StackLog) -> Keeper:
    """Keep a fact in the log and in the table.

    It runs inside the transaction that ends the task. The line comes first and is written once; when the
    transaction fails, the next try finds the line and adds the row.
    """

    def keep(cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float) -> None:
        reason = "" if outcome.status is Status.SUCCEEDED else outcome.summary
        entry = StackEntry(
            now_s,
            stack=values["stack"],
            action=values["action"],
            status=values["status"],
            env=values.get("env", ""),
            version=values.get("version", ""),
            notes=log.tell(values, at=now_s, reason=reason, task_id=task.id),
            task_id=task.id,
        )
        stack_history.insert(cx, entry)

    return keep


def _follow_up(intake: Intake, intent: Callable[[Mapping[str, Any]], Intent]) -> Keeper:
    """Submit what follows a task; it begins once that task, which ends now, has let its lock go."""

    def keep(cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float) -> None:
        trigger = Trigger("self", task.trigger.request_id, reason=f"after {task.id}")
        intake.submit(cx, intent(values), trigger)

    return keep
