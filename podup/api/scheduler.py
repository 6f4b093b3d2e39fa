"""The routes of the scheduler: when it ticks, what the last tick said, and a tick now."""

from podup.engine.scheduler import Scheduler
from podup.engine.ticks import AUTO_UPDATE, SERVICES
from podup.errors import Invalid
from podup.records import dataclass
from podup.server.request import Request
from podup.server.response import Response, answer
from podup.server.router import Route, Who


@dataclass(frozen=True, slots=True)
class TickBody:
    """Who wants a tick and why; `mode` is `services` or `auto-update`, else the configured one."""

    mode: str = ""
    caller: str = ""
    reason: str = ""


class SchedulerRoutes:
    """Tells of the scheduler and lets it tick. `is_running` is whether this process ticks by itself."""

    def __init__(self, scheduler: Scheduler, *, is_running: bool = False) -> None:
        self._scheduler = scheduler
        self._is_running = is_running

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        return (
            Route("GET", "/api/scheduler", "Tell when the scheduler ticks.", Who.ADMIN, self.show),
            Route(
                "POST",
                "/api/scheduler/tick",
                "Look now, as the scheduler does at its time.",
                Who.ADMIN,
                self.tick,
                effect=True,
                body=TickBody,
            ),
        )

    def show(self, request: Request) -> Response:
        last = self._scheduler.last()
        table = self._scheduler.timetable
        value = {
            "running": self._is_running,
            "mode": self._scheduler.ticker.rules.mode,
            "interval_s": None if table.cron else table.interval_s,
            "cron": table.cron.text if table.cron else None,
            "jitter_s": table.jitter_s,
            "last_at": last.last_at if last else None,
            "next_at": last.next_at if last and self._is_running else None,
            "message": last.note if last else None,
        }
        return answer(value)

    def tick(self, request: Request) -> Response:
        body: TickBody = request.data
        if body.mode not in ("", AUTO_UPDATE, SERVICES):
            raise Invalid("bad-mode", f"{body.mode!r} is no mode", f"want {SERVICES} or {AUTO_UPDATE}")
        done = self._scheduler.tick(caller=body.caller, reason=body.reason, mode=body.mode)
        value = {
            "mode": done.mode,
            "started": [{"unit": unit, "task_id": task_id} for unit, task_id in done.started],
            "skipped": [{"unit": unit, "reason": reason} for unit, reason in done.skipped],
            "message": done.says,
            "error": done.error or None,
        }
        return answer(value, status=202 if done.started else 200)
