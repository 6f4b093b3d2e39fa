"""A task's process: from its snapshot to its outcome.

Holds the kernel lock of the task's journal for its life, so whoever finds the lock free and no outcome
knows that it died. Starting it again on a journal that already has records is recovery.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podup.clock import Clock
from podup.core.secrets import Redactor
from podup.core.states import Status
from podup.engine.record import Outcome, Record, current, decode_outcome, read_records
from podup.engine.run import Job, Run
from podup.engine.snapshot import Snapshot, TaskFiles, read_snapshot
from podup.engine.world import World
from podup.files import JournalWriter
from podup.host.processes import ProcessIdentity
from podup.host.task_process import task_unit
from podup.late import late
from podup.recipes.table import recipe_of
from podup.records import dataclass
from podup.version import VERSION

if TYPE_CHECKING:
    import traceback
else:
    traceback = late("traceback")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a task process is built with: from the snapshot come the secrets to mask, and the world."""

    redactor_of: Callable[[Snapshot], Redactor]
    world_of: Callable[[Snapshot, Record], World]


def run_task(
    task_id: str, state_dir: Path, *, clock: Clock, me: ProcessIdentity, workshop: Workshop
) -> Outcome:
    """Take the task to its outcome and return it.

    Raises Busy when another process has it, Invalid for what is no id or has no snapshot. A crash of the
    recipe is noted and what was begun is taken back; a crash of that ends the process, and the dispatcher,
    which counts attempts, starts it again.
    """
    task_unit(task_id)  # an id, and nothing else, becomes a part of paths
    files = TaskFiles(state_dir, task_id)
    snapshot = read_snapshot(files)
    with JournalWriter(files.journal) as sink:
        records = read_records(files.journal)
        if records and records[-1]["type"] == "outcome" and records[-1]["status"] != Status.PENDING:
            return decode_outcome(records[-1])
        alive = current(records)
        record = Record(sink, clock, workshop.redactor_of(snapshot))
        attempt = 1 + sum(1 for old in alive if old["type"] == "begin")
        record.begin(me, version=VERSION, attempt=attempt)
        run = Run(
            Job(recipe_of(snapshot.kind), snapshot.params, snapshot.dry_run),
            world=workshop.world_of(snapshot, record),
            record=record,
            clock=clock,
            is_stopped=files.stop_mark.exists,
        )
        return _guarded(run, record, alive, files)


def _guarded(run: Run, record: Record, alive: list[dict[str, Any]], files: TaskFiles) -> Outcome:
    if alive:
        return run.recover(alive)
    try:
        return run.execute()
    except Exception as error:  # the door of a task process: what was begun is taken back before the end
        record.note(
            "error", f"the task crashed: {type(error).__name__}: {error}", trace=traceback.format_exc()
        )
        return run.recover(current(read_records(files.journal)))
