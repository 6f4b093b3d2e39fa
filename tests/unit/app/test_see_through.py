"""A command without a daemon sees what follows from its task to the end, and waits for nobody else's."""

from whole import Whole

from podup.app.local import see_through
from podup.core.states import Status, Trigger
from podup.engine.intake import Intent
from podup.recipes.restart import RestartParams
from podup.store import tasks
from podup.store.tasks import Ending, Task


class Tasks:
    """Lets tasks of one program begin and end, one change a turn."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.left: list[str] = []
        self.turns = 0

    def submit(self, unit: str, trigger: Trigger) -> Task:
        intent = Intent("restart", RestartParams(unit), unit)
        with self.whole.database.write() as cx:
            return self.whole.engine.intake.submit(cx, intent, trigger)

    def turn(self) -> None:
        """Let the task that waits run, or the one that runs end; after the first there comes another."""
        self.turns += 1
        with self.whole.database.write() as cx:
            task = tasks.get(cx, self.left[0]) if self.left else None
            if task is not None and task.status is Status.PENDING:
                tasks.mark_running(cx, task.id, 1.0)
            elif task is not None:
                tasks.finish(cx, task.id, Ending(Status.FAILED), now=2.0)
                self.left.pop()
        if task is not None and task.status is Status.RUNNING and self.turns < 3:
            self.left.append(self.submit("api.service", Trigger("self", reason=f"after {task.id}")).id)


def test_what_follows_is_seen_to_its_end_and_nothing_else(whole: Whole) -> None:
    steps = Tasks(whole)
    other = steps.submit("db.service", Trigger("cli", reason="somebody else's"))
    with whole.database.write() as cx:
        tasks.mark_running(cx, other.id, 1.0)
    steps.left.append(steps.submit("web.service", Trigger("self", reason="after tsk_mine")).id)
    see_through(steps.turn, whole.database, whole.clock, "tsk_mine")
    assert (steps.left, steps.turns) == ([], 4)
    with whole.database.read() as cx:
        assert [task.id for task in tasks.running(cx)] == [other.id]
