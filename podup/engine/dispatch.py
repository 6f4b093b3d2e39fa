"""Starting pending tasks, and noticing that running ones have ended or died.

Whoever holds the daemon lock calls `turn`: the daemon for ever, a command without a daemon only until its
own task has ended. The journal is the truth: an outcome in it ends the row, a free lock without an
outcome means that the process died, and its task is started again, which is recovery. Attempts are
counted in the journal before they are made and bounded.

What goes wrong with one task is that task's: it is told (log, task, health), the task rests and is tried
again, and the others go on. While its process lives that is all: the process does its work and has its
deadlines. One that nobody works for, and that could not be looked after for minutes, is given up, because
what it holds is held from all others.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from podup.clock import Clock
from podup.core.states import Status
from podup.engine.batch import settle_batches
from podup.engine.control import task_of
from podup.engine.memory import Memory
from podup.engine.record import Outcome, current, decode_outcome, read_records
from podup.engine.rounds import Fault, attempt
from podup.engine.setbacks import Setbacks
from podup.engine.snapshot import Snapshot, TaskFiles, write_snapshot
from podup.errors import PodupError
from podup.files import is_locked
from podup.host.task_process import TaskProcesses
from podup.recipes.verbs import Remember
from podup.records import dataclass, replace
from podup.store import freezes, image_locks, tasks
from podup.store.db import Connection, Store
from podup.store.tasks import Ending, Task

MAX_ATTEMPTS = 4
AUTOMATIC = ("webhook", "scheduler")
_GRACE_S = 3.0
_BUSY_EVERY_S = 0.1
_IDLE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Launch:
    """How tasks become processes: what they are given, the command before `ID STATE`, how many at a time."""

    processes: TaskProcesses
    take_snapshot: Callable[[Task], Snapshot]
    command: tuple[str, ...]
    limit: int = 4


class Dispatcher:
    """Moves tasks along; `ended_count` tells how many it saw ending. One at a time, not thread-safe.

    `launch` is asked again and again, and is to remember its answer.
    """

    def __init__(
        self,
        state_dir: Path,
        store: Store,
        *,
        clock: Clock,
        launch: Callable[[], Launch],
        memory: Memory,
        say: Callable[[str], None],
    ) -> None:
        self._state_dir = state_dir
        self._store = store
        self._clock = clock
        self._launch = launch
        self._memory = memory
        self._say = say
        self.setbacks = Setbacks(clock)
        self._touched_s: dict[str, float] = {}
        self._started: Counter[str] = Counter()  # a process that dies before it can write counts too
        self._noted: dict[str, int] = {}  # how many of a task's processes are written down
        self._killed: set[str] = set()
        self._born_s = clock.monotonic()
        self.ended_count = 0

    def turn(self) -> float:
        """Do what can be done now; return the seconds after which to call again."""
        processes = self._launch().processes  # found out before the first task needs it
        with self._store.read() as cx:
            alive = tasks.running(cx)
        for task in alive:
            if not self.setbacks.rests_s(task.id):
                self._attend(task, self._look_after)
        self._start_due()
        has_children = processes.reap()
        with self._store.read() as cx:
            rests_s = [self.setbacks.rests_s(task.id) for task in tasks.running(cx)]
            now_s = self._clock.now()
            due_s = tasks.next_due(cx, now_s)
        if has_children or 0.0 in rests_s:
            return _BUSY_EVERY_S
        waits_s = (_IDLE_EVERY_S, *rests_s, _IDLE_EVERY_S if due_s is None else due_s - now_s)
        return max(min(waits_s), _BUSY_EVERY_S)

    def _attend(self, task: Task, work: Callable[[Task], None]) -> None:
        """Do this for a task; what goes wrong with it is told, and stops nothing but it."""
        fault = attempt(lambda: work(task))
        if fault is None:
            if self.setbacks.forget(task.id):
                self._describe(task, "")
            return
        self._tell(task, fault)
        if self.setbacks.lasts(task.id):
            fault = attempt(lambda: self._abandon(task))
            if fault is not None:
                self._tell(task, fault)

    def _tell(self, task: Task, fault: Fault) -> None:
        says = f"cannot be looked after: {fault.says}"
        if self.setbacks.meet(task.id, says):
            self._say(f"task {task.id} ({task.unit or task.kind}) {says}\n{fault.trace}".rstrip())
            self._describe(task, f"{says}; trying again")

    def _describe(self, task: Task, message: str) -> None:
        with self._store.write() as cx:
            tasks.describe(cx, task.id, message=message)

    def _abandon(self, task: Task) -> None:
        """Give up what has been out of reach for long, unless somebody works for it."""
        if not is_locked(TaskFiles(self._state_dir, task.id).journal) and not self._is_alive(task):
            self._give_up(task, f"{self.setbacks.newest[task.id]}; look at the unit by hand")

    def _is_alive(self, task: Task) -> bool:
        return self._launch().processes.is_alive(task.id)

    def _look_after(self, task: Task) -> None:
        files = TaskFiles(self._state_dir, task.id)
        records = read_records(files.journal)
        outcome = decode_outcome(records[-1]) if records and records[-1]["type"] == "outcome" else None
        if outcome is not None and not _is_of_earlier_attempt(task, outcome):
            self._end(task, outcome)
            return
        begun = [record for record in records if record["type"] == "begin"]
        if len(begun) > self._noted.get(task.id, 0):
            self._note_process(task, begun)
        if self._is_to_be_killed(task, begun) and self._is_alive(task):
            self._killed.add(task.id)
            self._launch().processes.stop(task.id)
            self._touched_s[task.id] = self._clock.monotonic() - _GRACE_S
        elif self._is_dead(task, files):
            self._revive(task, len([old for old in current(records) if old["type"] == "begin"]))

    def _note_process(self, task: Task, begun: list[dict[str, Any]]) -> None:
        """Write down beside what the task holds which process works for it."""
        self._noted[task.id] = len(begun)
        about = {name: begun[-1][name] for name in ("pid", "start_time", "boot_id")}
        if task.locks:
            with self._store.write() as cx:
                image_locks.set_process(cx, task.id, **about)

    def _is_to_be_killed(self, task: Task, begun: Sequence[dict[str, Any]]) -> bool:
        """Return whether a forced stop ends its process: not the next one, which takes back what was done."""
        asked_s = task.force_stop_requested_at
        if asked_s is None or task.id in self._killed:
            return False
        return bool(begun) and bool(begun[-1]["ts"] <= asked_s)

    def _is_dead(self, task: Task, files: TaskFiles) -> bool:
        touched_s = self._touched_s.get(task.id, self._born_s)
        if self._clock.monotonic() - touched_s < _GRACE_S or is_locked(files.journal):
            return False
        return not self._is_alive(task)

    def _revive(self, task: Task, attempts: int) -> None:
        times = max(attempts, self._started[task.id])
        if times >= MAX_ATTEMPTS:
            self._give_up(task, f"its process died {times} times; look at the unit by hand")
        else:
            self._start(task)

    def _give_up(self, task: Task, reason: str) -> None:
        mark = (Remember("needs-operator", {"unit": task.unit}),) if task.unit else ()
        self._end(task, Outcome(Status.FAILED, "given-up", reason, remember=mark))

    def _end(self, task: Task, outcome: Outcome) -> None:
        now_s = self._clock.now()
        # First, and for a postponed task too: next time it is planned by the rules of that moment.
        TaskFiles(self._state_dir, task.id).clear()
        with self._store.write() as cx:
            if outcome.status is Status.PENDING and _is_to_stop(task_of(cx, task.id)):
                outcome = replace(outcome, status=Status.CANCELLED, code="cancelled")
            tasks.describe(cx, task.id, message="")  # what kept it waiting is over
            self._memory.keep(cx, task, outcome, now_s)
            image_locks.release_owner(cx, task.id)
            if outcome.status is Status.PENDING:
                tasks.mark_pending(cx, task.id, not_before=outcome.not_before_s)
                tasks.describe(cx, task.id, message=outcome.summary)
            else:
                error = outcome.summary if outcome.status.is_trouble else ""
                ending = Ending(outcome.status, outcome.code, outcome.summary, error)
                tasks.finish(cx, task.id, ending, now=now_s)
                settle_batches(cx, task.parent_id, now_s)
        self._touched_s.pop(task.id, None)
        self._started.pop(task.id, None)
        self._noted.pop(task.id, None)
        self._killed.discard(task.id)
        self.setbacks.forget(task.id)
        if outcome.status is not Status.PENDING:
            self.ended_count += 1

    def _start_due(self) -> None:
        with self._store.read() as cx:
            if not tasks.pending(cx, self._clock.now(), limit=1):
                return
        with self._store.write() as cx:
            chosen = self._choose(cx)
        for task in chosen:
            self._attend(task, self._start)

    def _choose(self, cx: Connection) -> Sequence[Task]:
        now_s = self._clock.now()
        free = self._launch().limit - len(tasks.running(cx))
        chosen: list[Task] = []
        for task in tasks.pending(cx, now_s, limit=500):
            if len(chosen) >= free:
                break
            if _is_held(cx, task) or not image_locks.acquire_all(cx, task.locks, owner=task.id, now_s=now_s):
                continue
            tasks.mark_running(cx, task.id, now_s)
            chosen.append(task)
        return chosen

    def _start(self, task: Task) -> None:
        files = TaskFiles(self._state_dir, task.id)
        self._touched_s[task.id] = self._clock.monotonic()
        self._started[task.id] += 1
        try:
            launch = self._launch()
            if not files.snapshot.exists():
                write_snapshot(files, launch.take_snapshot(task))
            launch.processes.start(task.id, (*launch.command, task.id, str(self._state_dir)))
        except PodupError as error:
            self._try_again_later(task, error)
        except (OSError, ValueError, KeyError, TypeError) as error:  # its row is of another version
            self._try_again_later(task, PodupError("not-startable", f"{type(error).__name__}: {error}"))

    def _try_again_later(self, task: Task, error: PodupError) -> None:
        """Try again after a while: the start may have worked, and what was begun has to be taken back."""
        reason = f"could not be started: {error.message}"
        if self._started[task.id] < MAX_ATTEMPTS:
            self._describe(task, f"{reason}; trying again")
            return
        records = read_records(TaskFiles(self._state_dir, task.id).journal)
        if any(record["type"] == "step" for record in current(records)):
            self._give_up(task, f"what takes it back {reason}; look at the unit by hand")
        else:
            self._end(task, Outcome(Status.FAILED, error.code, reason, error.hint))


def _is_to_stop(task: Task) -> bool:
    """Return whether somebody wants it stopped, either way."""
    return task.stop_requested_at is not None or task.force_stop_requested_at is not None


def _is_of_earlier_attempt(task: Task, outcome: Outcome) -> bool:
    """Return whether the outcome is the postponement the task waited for before it was started again."""
    return outcome.status is Status.PENDING and task.not_before == outcome.not_before_s


def _is_held(cx: Connection, task: Task) -> bool:
    """Return whether a freeze holds the task back, and say so where it is listed."""
    if task.trigger.source not in AUTOMATIC or not task.unit:
        return False
    freeze = freezes.frozen(cx, task.unit)
    says = f"held: {freeze.target or 'everything'} is frozen: {freeze.reason}" if freeze else ""
    if says != task.message:
        tasks.describe(cx, task.id, message=says)
    return freeze is not None
