"""The routes of tasks: list, one, stop, retry."""

from typing import Any

from podup.api.events import read_moment
from podup.api.task_views import detail, row
from podup.core.states import Status, Trigger
from podup.core.units import target_name
from podup.engine.control import request_stop, task_of
from podup.engine.engine import Engine
from podup.engine.record import read_records
from podup.engine.snapshot import TaskFiles
from podup.engine.story import tell
from podup.errors import Invalid
from podup.records import dataclass
from podup.server.request import PAGING, Request, read_page
from podup.server.response import Response, answer, answer_page
from podup.server.router import Route, Who
from podup.store import tasks
from podup.store.tasks import TaskFilter

_FILTERS = ("status", "kind", "unit", "caller", "source", "parent_id", "from", "to", *PAGING)


@dataclass(frozen=True, slots=True)
class RetryBody:
    """Who wants it, and why."""

    caller: str = ""
    reason: str = ""


class TaskRoutes:
    """Lists and tells tasks, and asks them to stop or to be tried again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        one = "/api/tasks/{id}"
        return (
            Route("GET", "/api/tasks", "List tasks, newest first.", Who.ADMIN, self.list, query=_FILTERS),
            Route("GET", one, "Tell one task: steps, commands, facts, verdict.", Who.ADMIN, self.show),
            Route(
                "POST",
                f"{one}/stop",
                "Stop a task between steps and take it back.",
                Who.ADMIN,
                self.stop,
                effect=True,
            ),
            Route(
                "POST",
                f"{one}/force-stop",
                "End a task's process and take it back.",
                Who.ADMIN,
                self.force,
                effect=True,
            ),
            Route(
                "POST",
                f"{one}/retry",
                "Make a new task of one that ended.",
                Who.ADMIN,
                self.retry,
                effect=True,
                body=RetryBody,
            ),
        )

    def list(self, request: Request) -> Response:
        page = read_page(request)
        wanted = TaskFilter(
            status=_statuses(request.query_one("status")),
            kind=request.query_one("kind"),
            unit=target_name(request.query_one("unit")),
            caller=request.query_one("caller"),
            source=request.query_one("source"),
            parent_id=request.query_one("parent_id"),
            start=read_moment(request, "from"),
            end=read_moment(request, "to"),
        )
        with self._engine.store.read() as cx:
            found, total = tasks.find(cx, wanted, page=page.number, per_page=page.size)
        return answer_page("tasks", [row(task) for task in found], total=total, page=page)

    def show(self, request: Request) -> Response:
        with self._engine.store.read() as cx:
            task = task_of(cx, request.params["id"])
            children = tasks.children(cx, task.id)
        records = read_records(TaskFiles(self._engine.state_dir, task.id).journal)
        return answer(detail(task, tell(records, task.unit), children))

    def stop(self, request: Request) -> Response:
        return self._stop(request, force=False)

    def force(self, request: Request) -> Response:
        return self._stop(request, force=True)

    def retry(self, request: Request) -> Response:
        body: RetryBody = request.data
        trigger = Trigger("api", request.request_id, request.path, body.caller, body.reason)
        with self._engine.store.write() as cx:
            task = self._engine.intake.retry(cx, request.params["id"], trigger)
        self._engine.wake()
        return answer({"task_id": task.id, "retry_of": task.retry_of}, status=202)

    def _stop(self, request: Request, *, force: bool) -> Response:
        engine, task_id = self._engine, request.params["id"]
        with engine.store.write() as cx:
            says = request_stop(cx, task_id, force=force, clock=engine.clock, state_dir=engine.state_dir)
            task = task_of(cx, task_id)
        engine.wake()
        return answer({"task_id": task_id, "status": str(task.status), "message": says})


def _statuses(text: str) -> tuple[Status, ...]:
    try:
        return tuple(Status(word) for word in text.split(",") if word)
    except ValueError:
        known = ", ".join(Status)
        raise Invalid("bad-query", f"{text!r} is no status of a task", f"known are: {known}") from None


def as_trigger(request: Request, body: Any) -> Trigger:
    """Return who asks, from the request and the `caller` and `reason` of its body."""
    caller = body.caller or request.principal.name
    source = "cli" if request.peer.is_control else "api"
    return Trigger(source, request.request_id, request.path, caller, body.reason)
