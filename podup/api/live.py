"""Live streams: the log lines of a task as they come.

Lines come from the task's journal, which its process writes; `TaskFeed.turn` looks for new ones and is
called by the daemon while anybody watches. A line's number is its place in the task's log, so a watcher
that comes back with Last-Event-ID misses nothing. A batch has no lines of its own: it ends when its tasks do.
"""

from podup.engine.control import task_of
from podup.engine.engine import Engine
from podup.engine.record import read_records
from podup.engine.snapshot import TaskFiles
from podup.engine.story import tell
from podup.errors import Invalid, NotFound
from podup.server.request import Request
from podup.server.response import Response
from podup.server.router import Route, Who
from podup.server.sse import END, Event, Hub, last_event_id

_TASK = "task:"
_HELLO = b'event: hello\ndata: {"message":"hello"}\n\n'
_LAST = 1 << 52


class TaskFeed:
    """Tells watchers of tasks what is new. Used by one thread."""

    def __init__(self, engine: Engine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub
        self._told: dict[str, int] = {}

    def turn(self) -> bool:
        """Publish what is new; return whether anybody watches a task."""
        topics = {topic for topic in self._hub.topics() if topic.startswith(_TASK)}
        self._told = {topic: number for topic, number in self._told.items() if topic in topics}
        for topic in topics:
            for event in self._events(topic.removeprefix(_TASK)):
                if event.number > self._told.get(topic, 0):
                    self._hub.publish(topic, event)
                    self._told[topic] = event.number
        return bool(topics)

    def _events(self, task_id: str) -> list[Event]:
        try:
            return task_events(self._engine, task_id)
        except NotFound:  # it was pruned while somebody watched
            return [Event(_LAST, END, {"task_id": task_id, "status": "gone"})]
        except OSError:  # not now: the dispatcher tells it, and the next turn looks again
            return []


class LiveRoutes:
    """The streams."""

    def __init__(self, engine: Engine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        return (
            Route("GET", "/sse/hello", "Say hello once, to try a proxy.", Who.OPEN, self.hello),
            Route(
                "GET",
                "/sse/task-logs",
                "Stream the log lines of a task; resumes with Last-Event-ID, `end` at its end.",
                Who.ADMIN,
                self.task_logs,
                query=("task_id",),
            ),
        )

    def hello(self, request: Request) -> Response:
        return Response(200, (("Content-Type", "text/event-stream; charset=utf-8"),), _HELLO)

    def task_logs(self, request: Request) -> Response:
        task_id = request.query_one("task_id")
        if not task_id:
            raise Invalid(
                "no-task-id", "the query field task_id is missing", "/sse/task-logs?task_id=tsk_..."
            )
        with self._engine.store.read() as cx:
            task_of(cx, task_id)
        after = last_event_id(request)
        if after >= _LAST:  # it has seen the end: a browser does not come again (HTML standard, 9.2)
            return Response(204)
        return self._hub.respond(
            f"{_TASK}{task_id}", after=after, replay=lambda _after: task_events(self._engine, task_id)
        )


def task_events(engine: Engine, task_id: str) -> list[Event]:
    """Return all lines of a task as events, and the `end` when it has ended. Raises NotFound."""
    records = read_records(TaskFiles(engine.state_dir, task_id).journal)
    with engine.store.read() as cx:
        task = task_of(cx, task_id)
    events = [Event(line["id"], "log", line) for line in tell(records, task.unit).logs]
    if task.status.is_final:
        events.append(Event(_LAST, END, {"task_id": task_id, "status": str(task.status)}))
    return events
