"""The index of tasks: what was asked, how it stands, how it ended. Steps and output are in its journal.

`tsk_...` ids are made by the caller. A task waits as `pending` until `not_before`, and is never finished
twice: `finish` and `mark_running` tell whether they changed the row. A batch is a row of kind "batch";
its children carry its id in `parent_id`.
"""

import json
from collections.abc import Sequence
from typing import Any

from podup.core.states import Status, Trigger
from podup.records import dataclass, field, fields
from podup.store.db import Connection, Row
from podup.store.filters import PER_PAGE, Listing, Where, find_page

BATCH = "batch"
_ALIVE = "finished_at IS NULL"
_TRIGGER = ("source", "request_id", "path", "caller", "reason")
_LIST = Listing("tasks", "created_at", index="tasks_list", by_time="tasks_list")


@dataclass(frozen=True, slots=True)
class Task:
    """One row. Times are Unix seconds, None when it did not happen; `not_before` 0 means at once."""

    id: str
    kind: str
    created_at: float
    trigger: Trigger
    params: dict[str, Any] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    status: Status = Status.PENDING
    code: str = ""
    summary: str = ""
    dry_run: bool = False
    unit: str = ""
    image: str = ""
    before_digest: str = ""
    after_digest: str = ""
    phase: str = ""
    message: str = ""
    error: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    not_before: float = 0
    parent_id: str = ""
    retry_of: str = ""
    stop_requested_at: float | None = None
    force_stop_requested_at: float | None = None


_COLUMNS = [f.name for f in fields(Task) if f.name != "trigger"]
_INSERT = (
    f"INSERT INTO tasks ({', '.join([*_COLUMNS, *_TRIGGER])})"
    f" VALUES ({', '.join('?' * (len(_COLUMNS) + len(_TRIGGER)))})"
)


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What a listing wants; empty means any. `start` <= created_at < `end`; `top_only` hides children."""

    status: tuple[Status, ...] = ()
    kind: str = ""
    unit: str = ""
    caller: str = ""
    source: str = ""
    parent_id: str = ""
    start: float | None = None
    end: float | None = None
    top_only: bool = False


def insert(cx: Connection, task: Task) -> None:
    """Add a task. Raises IntegrityError for an id that is there already."""
    cx.execute(_INSERT, _values(task))


def get(cx: Connection, task_id: str) -> Task | None:
    """Return the task, or None."""
    row = cx.execute("SELECT * FROM tasks WHERE id = ?", (task_id,)).fetchone()
    return _task(row) if row else None


def find(
    cx: Connection, wanted: TaskFilter, *, page: int = 1, per_page: int = PER_PAGE
) -> tuple[list[Task], int]:
    """Return a page of tasks, newest first, and the number of all that match."""
    where = Where()
    where.between("created_at", wanted.start, wanted.end)
    where.among("status", wanted.status)
    where.equal("kind", wanted.kind)
    where.equal("unit", wanted.unit)
    where.equal("caller", wanted.caller)
    where.equal("source", wanted.source)
    where.equal("parent_id", wanted.parent_id)
    if wanted.top_only:
        where.add("parent_id = ''")
    rows, total = find_page(cx, _LIST, where, page=page, per_page=per_page)
    return [_task(row) for row in rows], total


def pending(cx: Connection, now: float, *, limit: int = 100) -> list[Task]:
    """Return the tasks that may start now, in the order they were submitted, without batches.

    One that waits for nothing may start also when the clock that made it was ahead.
    """
    rows = cx.execute(
        "SELECT * FROM tasks INDEXED BY tasks_alive"
        f" WHERE {_ALIVE} AND status = 'pending' AND (not_before <= ? OR not_before = created_at)"
        f" AND kind <> '{BATCH}' ORDER BY seq LIMIT ?",
        (now, limit),
    )
    return [_task(row) for row in rows]


def next_due(cx: Connection, now: float) -> float | None:
    """Return when the next task that waits for a moment after `now` may start; None when none does."""
    row = cx.execute(
        "SELECT min(not_before) FROM tasks INDEXED BY tasks_alive"
        f" WHERE {_ALIVE} AND status = 'pending' AND not_before > ?",
        (now,),
    ).fetchone()
    return None if row[0] is None else float(row[0])


def running(cx: Connection) -> list[Task]:
    """Return the tasks that run, in the order they were submitted, without batches."""
    rows = cx.execute(
        "SELECT * FROM tasks INDEXED BY tasks_alive"
        f" WHERE {_ALIVE} AND status = 'running' AND kind <> '{BATCH}' ORDER BY seq"
    )
    return [_task(row) for row in rows]


def alive(cx: Connection, *, unit: str = "", kind: str = "") -> list[Task]:
    """Return the pending and running tasks of a unit or kind (empty: any), in the order of submission."""
    where = Where(_ALIVE)
    where.equal("unit", unit)
    where.equal("kind", kind)
    rows = cx.execute(f"SELECT * FROM tasks INDEXED BY tasks_alive {where.sql} ORDER BY seq", where.values)
    return [_task(row) for row in rows]


def text_of(params: Any) -> str:
    """Return parameters as their column holds them."""
    return json.dumps(params)


def waiting(cx: Connection, kind: str, unit: str, params: str) -> str:
    """Return the id of the first pending task that wants the same and is no dry run, or an empty string.

    `params` are those of `text_of`.
    """
    row = cx.execute(
        "SELECT id FROM tasks INDEXED BY tasks_alive"
        f" WHERE {_ALIVE} AND status = 'pending' AND kind = ? AND unit = ? AND params = ? AND NOT dry_run"
        " ORDER BY seq LIMIT 1",
        (kind, unit, params),
    ).fetchone()
    return str(row[0]) if row else ""


def children(cx: Connection, task_id: str) -> list[Task]:
    """Return the tasks of a batch, in the order of submission."""
    rows = cx.execute("SELECT * FROM tasks WHERE parent_id = ? AND parent_id <> '' ORDER BY seq", (task_id,))
    return [_task(row) for row in rows]


def mark_running(cx: Connection, task_id: str, now: float) -> bool:
    """Let a pending task run; False when it is not pending any more."""
    changed = cx.execute(
        "UPDATE tasks SET status = 'running', started_at = ? WHERE id = ? AND status = 'pending'",
        (now, task_id),
    )
    return changed.rowcount == 1


def mark_pending(cx: Connection, task_id: str, *, not_before: float) -> bool:
    """Put a running task back in the queue (postponed, or never begun); False when it does not run."""
    changed = cx.execute(
        "UPDATE tasks SET status = 'pending', started_at = NULL, not_before = ?"
        " WHERE id = ? AND status = 'running'",
        (not_before, task_id),
    )
    return changed.rowcount == 1


def describe(cx: Connection, task_id: str, **changes: str) -> None:
    """Set any of image, before_digest, after_digest, phase, message and error of a living task."""
    allowed = {"image", "before_digest", "after_digest", "phase", "message", "error"}
    if not changes.keys() <= allowed:
        raise ValueError(f"not for a living task: {sorted(changes.keys() - allowed)}")
    marks = ", ".join(f"{name} = ?" for name in changes)
    cx.execute(f"UPDATE tasks SET {marks} WHERE id = ? AND {_ALIVE}", (*changes.values(), task_id))


def request_stop(cx: Connection, task_id: str, now: float, *, force: bool = False) -> bool:
    """Ask a living task, and the children of a batch, to stop; the first asking keeps its time.

    False when the task is not alive.
    """
    column = "force_stop_requested_at" if force else "stop_requested_at"
    mark = f"UPDATE tasks SET {column} = coalesce({column}, ?) WHERE {_ALIVE} AND"
    changed = cx.execute(f"{mark} id = ?", (now, task_id))
    cx.execute(f"{mark} parent_id = ? AND parent_id <> ''", (now, task_id))
    return changed.rowcount == 1


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task ended; digests and error are empty when there is nothing to say."""

    status: Status
    code: str = ""
    summary: str = ""
    error: str = ""
    before_digest: str = ""
    after_digest: str = ""


def finish(cx: Connection, task_id: str, ending: Ending, *, now: float) -> bool:
    """End a living task; False, and nothing changed, when it has ended already."""
    changed = cx.execute(
        "UPDATE tasks SET status = ?, code = ?, summary = ?, error = ?, finished_at = ?, phase = '',"
        " before_digest = iif(? <> '', ?, before_digest), after_digest = iif(? <> '', ?, after_digest)"
        f" WHERE id = ? AND {_ALIVE}",
        (
            ending.status, ending.code, ending.summary, ending.error, now,
            ending.before_digest, ending.before_digest, ending.after_digest, ending.after_digest, task_id,
        ),
    )  # fmt: skip
    return changed.rowcount == 1


def finished_before(cx: Connection, cutoff: float, *, limit: int) -> list[str]:
    """Return the ids of up to `limit` (-1: all) tasks that ended before `cutoff`, oldest first.

    A batch is among them only when all of its children have ended.
    """
    rows = cx.execute(
        "SELECT id FROM tasks AS t WHERE finished_at < ? AND NOT EXISTS"
        f" (SELECT 1 FROM tasks AS c WHERE c.parent_id = t.id AND c.parent_id <> '' AND c.{_ALIVE})"
        " ORDER BY finished_at LIMIT ?",
        (cutoff, limit),
    )
    return [row[0] for row in rows]


def delete(cx: Connection, task_ids: Sequence[str]) -> int:
    """Forget ended tasks; living ones stay. Return how many went. Their journals are the caller's."""
    changed = cx.executemany(
        f"DELETE FROM tasks WHERE id = ? AND NOT {_ALIVE}", [(task_id,) for task_id in task_ids]
    )
    return changed.rowcount


def _values(task: Task) -> list[Any]:
    values = []
    for name in _COLUMNS:
        value = getattr(task, name)
        values.append(text_of(value) if name in ("params", "locks") else value)
    return values + [getattr(task.trigger, name) for name in _TRIGGER]


def _task(row: Row) -> Task:
    values = {name: row[name] for name in _COLUMNS}
    values["params"] = json.loads(row["params"])
    values["locks"] = tuple(json.loads(row["locks"]))
    values["status"] = Status(row["status"])
    values["dry_run"] = bool(row["dry_run"])
    return Task(trigger=Trigger(*(row[name] for name in _TRIGGER)), **values)
