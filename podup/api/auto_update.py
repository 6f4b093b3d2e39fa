"""podman's own updater as a trigger: the legacy `/auto-update` with its two windows, and the run by hand.

While a run is under way a second one is not started; its answer names the task that runs. It is refused
while Podman, which knows of no quarantine, would bring back what is quarantined; a dry run says so too.
"""

from math import ceil

from podup.api.tasks import as_trigger
from podup.engine.engine import Engine
from podup.engine.policy import refuse_auto_update
from podup.errors import RateLimited, Refused
from podup.records import dataclass
from podup.server.request import Request
from podup.server.response import MethodNotAllowed, Response, answer
from podup.server.router import Route, Who, methods_of
from podup.settings.server_table import Limits
from podup.store import limits, tasks
from podup.store.db import Connection
from podup.store.limits import Window
from podup.store.tasks import Task

_BUCKET = "auto-update"


@dataclass(frozen=True, slots=True)
class AutoUpdateBody:
    """Who wants it and why; a dry run only tells what would be updated."""

    token: str = ""
    dry_run: bool = False
    caller: str = ""
    reason: str = ""


class AutoUpdateRoutes:
    """Starts podman's updater. `windows` bound how often `/auto-update` may."""

    def __init__(self, engine: Engine, windows: tuple[Window, ...]) -> None:
        self._engine = engine
        self._windows = windows

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        says = "Start the auto-update unit, as often as the two windows allow."
        legacy = [
            Route(
                method,
                "/auto-update",
                says,
                Who.ADMIN,
                self.start,
                effect=True,
                scope="auto-update",
                token_in=("query", "body") if method == "POST" else ("query",),
                body=AutoUpdateBody if method == "POST" else None,
                query=("token",),
            )
            for method in ("GET", "POST")
        ]
        by_hand = Route(
            "POST",
            "/api/manual/auto-update/run",
            "Run the auto-update unit and watch it to its end; `already-running` names the task that does.",
            Who.ADMIN,
            self.run,
            effect=True,
            scope="manual",
            body=AutoUpdateBody,
        )
        return (*legacy, by_hand)

    def start(self, request: Request) -> Response:
        if request.method == "HEAD":  # a HEAD has no effect (RFC 9110, 9.2.1), so it does not stand for GET
            raise MethodNotAllowed("HEAD", methods_of(("POST",)))
        body = request.data or AutoUpdateBody()
        with self._engine.store.write() as cx:
            wait_s = limits.take(cx, _BUCKET, self._windows, now_s=self._engine.clock.now())
            if wait_s:
                says = "the auto-update was started too often of late"
                hint = "see PODUP_LIMIT1_COUNT and PODUP_LIMIT2_COUNT"
                raise RateLimited("auto-update-limit", says, hint, retry_after_s=ceil(wait_s))
            task, is_new = self._submit(cx, request, body)
        return self._answer(task, is_new)

    def run(self, request: Request) -> Response:
        with self._engine.store.write() as cx:
            task, is_new = self._submit(cx, request, request.data)
        return self._answer(task, is_new)

    def _submit(self, cx: Connection, request: Request, body: AutoUpdateBody) -> tuple[Task, bool]:
        intent = self._engine.catalogue.auto_update(dry_run=body.dry_run)
        alive = tasks.alive(cx, unit=intent.unit, kind=intent.kind)
        same = next((task for task in alive if task.dry_run == body.dry_run), None)
        if same is not None:
            return same, False
        refusal = None if body.dry_run else refuse_auto_update(cx)
        if refusal is not None:
            raise Refused(refusal.code, refusal.reason, refusal.hint)
        return self._engine.intake.submit(cx, intent, as_trigger(request, body)), True

    def _answer(self, task: Task, is_new: bool) -> Response:
        self._engine.wake()
        status = str(task.status) if is_new else "already-running"
        value = {"task_id": task.id, "unit": task.unit, "dry_run": task.dry_run, "status": status}
        return answer(value, status=202)


def windows_of(settings: Limits) -> tuple[Window, ...]:
    """Return the two windows of `/auto-update`."""
    return (
        Window(settings.first_count, settings.first_window_s),
        Window(settings.second_count, settings.second_window_s),
    )
