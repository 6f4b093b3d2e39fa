"""What the database keeps of a task's outcome: one small function for each thing a recipe remembers.

A kind that remembers something of its own adds a row to the table; an unknown name is a defect and is
refused, so that nothing a recipe wanted kept is lost in silence.
"""

from collections.abc import Callable, Mapping
from typing import Any

from podup.engine.record import Outcome
from podup.errors import PodupError
from podup.store import deployments, digests, services, tasks
from podup.store.db import Connection
from podup.store.deployments import Deployment
from podup.store.digests import Quarantine
from podup.store.services import Attention
from podup.store.tasks import Task

Keeper = Callable[[Connection, Task, Outcome, Mapping[str, Any], float], None]
Teller = Callable[[Connection, Task, Outcome, float], None]


def _untold(cx: Connection, task: Task, outcome: Outcome, now_s: float) -> None:
    """Nobody is told."""


class Memory:
    """Applies what recipes remember, in the transaction that ends the task; `tell` makes news of it there."""

    def __init__(self, keepers: Mapping[str, Keeper], *, tell: Teller = _untold) -> None:
        self._keepers = keepers
        self._tell = tell

    def keep(self, cx: Connection, task: Task, outcome: Outcome, now_s: float) -> None:
        """Keep everything the outcome remembers. Raises PodupError for a name nobody keeps."""
        for item in outcome.remember:
            keeper = self._keepers.get(item.what)
            if keeper is None:
                raise PodupError("not-kept", f"nobody keeps what task {task.id} calls {item.what!r}")
            keeper(cx, task, outcome, item.values, now_s)
        self._tell(cx, task, outcome, now_s)


def _first_seen(
    cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float
) -> None:
    digests.see(cx, values["image"], values["digest"], now_s=now_s)
    service = services.get(cx, task.unit)
    if service is not None and task.kind == "deploy" and task.image == service.image:
        services.change(cx, service.unit, remote_digest=values["digest"])


def _unit(cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float) -> None:
    tasks.describe(
        cx,
        task.id,
        image=values["image"],
        before_digest=values["from_digest"],
        after_digest=values["to_digest"],
    )


def _deployed(cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float) -> None:
    started_s = task.started_at if task.started_at is not None else now_s
    deployments.insert(
        cx,
        Deployment(
            target=values["unit"],
            kind=task.kind,
            source=task.trigger.source,
            image=values["image"],
            from_digest=values["from_digest"],
            to_digest=values["to_digest"],
            outcome=values["outcome"],
            reason=outcome.summary,
            task_id=task.id,
            finished_at=now_s,
            duration_ms=round((now_s - started_s) * 1000),
        ),
    )


def _quarantine(
    cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float
) -> None:
    reason = values.get("reason") or outcome.summary
    for digest in filter(None, (values["digest"], values.get("index_digest", ""))):
        held = Quarantine(values["unit"], digest, reason, now_s, values["image"], task.id)
        digests.quarantine(cx, held)
    service = services.get(cx, values["unit"])
    if service is not None and task.kind == "deploy" and task.image == service.image:
        why = "what the registry has is quarantined"
        services.change(cx, service.unit, update_state="update_available", update_reason=why)


def _needs_operator(
    cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float
) -> None:
    services.mark_needs_operator(cx, Attention(values["unit"], outcome.summary, now_s, task.id))


def _well(cx: Connection, task: Task, outcome: Outcome, values: Mapping[str, Any], now_s: float) -> None:
    services.mark_well(cx, values["unit"])


KEEPERS: Mapping[str, Keeper] = {
    "first-seen": _first_seen,
    "unit": _unit,
    "deployed": _deployed,
    "quarantine": _quarantine,
    "needs-operator": _needs_operator,
    "well": _well,
}
