"""Stopping tasks, as an operator asks for it.

A stop is a mark that the task looks at between steps and while it is judged; it then takes back what it
did. A forced stop ends its process at once, and a new one takes back what was done. Asking twice is the
same as asking once.
"""

from pathlib import Path

from podup.clock import Clock
from podup.core.states import Status
from podup.engine.batch import settle_batches
from podup.engine.snapshot import TaskFiles
from podup.errors import NotFound
from podup.files import durable_write, make_dirs
from podup.store import tasks
from podup.store.db import Connection
from podup.store.tasks import Ending, Task


def task_of(cx: Connection, task_id: str) -> Task:
    """Return the task. Raises NotFound."""
    task = tasks.get(cx, task_id)
    if task is None:
        raise NotFound("task-not-found", f"there is no task {task_id}", "see `tasks list`")
    return task


def request_stop(cx: Connection, task_id: str, *, force: bool, clock: Clock, state_dir: Path) -> str:
    """Ask a task, and all tasks of a batch, to stop; return the sentence about it. Raises NotFound."""
    task = task_of(cx, task_id)
    if task.status.is_final:
        return f"task {task_id} has ended already: {task.status}"
    tasks.request_stop(cx, task_id, clock.now(), force=force)
    for living in [task, *tasks.children(cx, task_id)]:
        _stop_one(cx, living, clock, state_dir)
    return f"task {task_id} was asked to stop; what it did is taken back"


def _stop_one(cx: Connection, task: Task, clock: Clock, state_dir: Path) -> None:
    if task.status is Status.PENDING:
        ending = Ending(Status.CANCELLED, "cancelled", "stopped before it began")
        tasks.finish(cx, task.id, ending, now=clock.now())
        settle_batches(cx, task.parent_id, clock.now())
    elif task.status is Status.RUNNING:
        mark = TaskFiles(state_dir, task.id).stop_mark
        make_dirs(mark.parent)
        durable_write(mark, b"")
