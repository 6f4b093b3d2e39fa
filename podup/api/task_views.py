"""Tasks as the API shows them: rows for lists, and the whole story of one."""

from collections.abc import Sequence
from typing import Any

from podup.core.secrets import Redactor
from podup.core.states import Status
from podup.engine.story import Story
from podup.store.tasks import BATCH, Task

_ONCE = (BATCH, "self-update")
_WITHOUT_SECRETS = Redactor()  # the words a hook is started with may hold a password


def row(task: Task) -> dict[str, Any]:
    """Return a task as it stands in lists."""
    is_alive = not task.status.is_final
    return {
        "task_id": task.id,
        "kind": task.kind,
        "type": task.params.get("type", task.kind),
        "meta": {"dry_run": task.dry_run},
        "status": str(task.status),
        "code": task.code,
        "summary": task.summary or task.message,
        "unit": task.unit,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "not_before": task.not_before,
        "trigger": {
            "source": task.trigger.source,
            "request_id": task.trigger.request_id,
            "path": task.trigger.path,
            "caller": task.trigger.caller,
            "reason": task.trigger.reason,
        },
        "units": [_unit(task)] if task.unit else [],
        "can_stop": is_alive and task.stop_requested_at is None,
        "can_force_stop": task.status is Status.RUNNING and task.force_stop_requested_at is None,
        "can_retry": not is_alive and task.kind not in _ONCE,
        "retry_of": task.retry_of or None,
        "parent_id": task.parent_id or None,
    }


def detail(task: Task, story: Story, children: Sequence[Task]) -> dict[str, Any]:
    """Return a task with its plan, facts, verdict and log lines."""
    shown = row(task)
    if children:
        shown["units"] = [_unit(child) for child in children]
        shown["tasks"] = [row(child) for child in children]
    shown |= {
        "phase": story.phase,
        "params": {key: _WITHOUT_SECRETS.tree(value) for key, value in task.params.items() if key != "_"},
        "plan": story.plan,
        "before": story.before,
        "after": story.after,
        "verdict": story.verdict,
        "logs": list(story.logs),
    }
    return shown


def _unit(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "unit": task.unit,
        "status": str(task.status),
        "phase": task.phase,
        "image": task.image,
        "before_digest": task.before_digest,
        "after_digest": task.after_digest,
        "message": task.summary or task.message,
        "error": task.error,
    }
