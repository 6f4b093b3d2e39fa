"""From an intent to a pending task: one function for webhooks, API, commands, scheduler and retries."""

from collections.abc import Callable, Mapping
from typing import Any

from podup.clock import Clock
from podup.core.images import parse_ref
from podup.core.states import Status, Trigger, new_id
from podup.engine.control import task_of
from podup.errors import Refused
from podup.recipes.codec import decode, encode
from podup.recipes.table import recipe_of
from podup.records import dataclass, field, replace
from podup.store import tasks
from podup.store.db import Connection
from podup.store.tasks import BATCH, Task


@dataclass(frozen=True, slots=True)
class Intent:
    """What is wanted: a kind and its parameters, and what the row shall show of them."""

    kind: str
    params: Any
    unit: str = ""
    image: str = ""
    dry_run: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)


class Intake:
    """Makes tasks. Takes a connection inside a write transaction; the row counts once that commits."""

    def __init__(self, clock: Clock, random_bytes: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._random_bytes = random_bytes

    def submit(self, cx: Connection, intent: Intent, trigger: Trigger, *, parent_id: str = "") -> Task:
        """Insert a pending task and return it. Raises NotFound for an unknown kind."""
        task = self._task(intent, trigger, locks=_locks(intent), parent_id=parent_id)
        tasks.insert(cx, task)
        return task

    def submit_batch(
        self, cx: Connection, intents: list[Intent], trigger: Trigger
    ) -> tuple[Task, list[Task]]:
        """Insert one task for each intent below one parent, which ends when all of them have."""
        kinds = {intent.kind for intent in intents}
        about = Intent(BATCH, {"kinds": sorted(kinds)}, dry_run=any(intent.dry_run for intent in intents))
        parent = self._task(about, trigger, locks=(), parent_id="")
        parent = replace(parent, status=Status.RUNNING, started_at=parent.created_at)
        tasks.insert(cx, parent)
        return parent, [self.submit(cx, intent, trigger, parent_id=parent.id) for intent in intents]

    def retry(self, cx: Connection, task_id: str, trigger: Trigger) -> Task:
        """Make a new task of one that ended. Raises NotFound, or Refused while it is alive or a batch."""
        old = task_of(cx, task_id)
        if not old.status.is_final:
            raise Refused(
                "task-alive", f"task {task_id} is {old.status}", "stop it first, or wait for its end"
            )
        again = Intent(old.kind, decode(old.params), old.unit, old.image, old.dry_run)
        task = self._task(again, trigger, locks=_locks(again), parent_id="", prefix="retry")
        task = replace(task, retry_of=old.id)
        tasks.insert(cx, task)
        return task

    def _task(
        self, intent: Intent, trigger: Trigger, *, locks: tuple[str, ...], parent_id: str, prefix: str = "tsk"
    ) -> Task:
        now_s = self._clock.now()
        return Task(
            id=new_id(prefix, self._random_bytes, now_s),
            kind=intent.kind,
            params=encode(intent.params),
            locks=locks,
            status=Status.PENDING,
            dry_run=intent.dry_run,
            trigger=trigger,
            unit=intent.unit,
            image=intent.image,
            created_at=now_s,
            not_before=now_s,
            parent_id=parent_id,
        )


def _locks(intent: Intent) -> tuple[str, ...]:
    """Return what the task holds while it runs; tasks on one image take turns, for each moves its tag."""
    image = (f"image:{parse_ref(intent.image).name}",) if intent.image else ()
    return (*recipe_of(intent.kind).lock(intent.params), *image)
