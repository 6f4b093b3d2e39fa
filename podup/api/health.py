"""Health for proxies and people: `/health`, `/livez`, `/readyz`. It starts no process."""

from collections.abc import Callable, Mapping
from typing import Any

from podup.engine.engine import Engine
from podup.engine.host_state import HostState
from podup.errors import PodupError
from podup.records import asdict
from podup.server.request import Request
from podup.server.response import Response, answer
from podup.server.router import Route, Who
from podup.store import services
from podup.update.remembered import CLEAR_HOLD


class HealthRoutes:
    """Tells how the program is. 503 only when webhooks cannot be accepted."""

    def __init__(
        self,
        engine: Engine,
        *,
        version: str,
        update: Callable[[], dict[str, Any]],
        host: Callable[[], HostState | None],
        setbacks: Callable[[], Mapping[str, str]],
    ) -> None:
        self._engine = engine
        self._host = host
        self._version = version
        self._update = update
        self._setbacks = setbacks

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        return (
            Route("GET", "/health", "How the program and its host are.", Who.OPEN, self.health),
            Route("GET", "/livez", "Whether the process answers.", Who.OPEN, self.live, in_loop=True),
            Route("GET", "/readyz", "Whether webhooks can be accepted.", Who.OPEN, self.ready),
        )

    def live(self, request: Request) -> Response:
        return answer({"status": "ok", "version": self._version})

    def ready(self, request: Request) -> Response:
        with self._engine.store.read() as cx:
            cx.execute("SELECT 1").fetchone()
        if self._engine.log.trouble is not None:
            raise self._engine.log.trouble.with_traceback(None)
        return answer({"status": "ok", "version": self._version})

    def health(self, request: Request) -> Response:
        issues: list[dict[str, str]] = []
        database = "ok"
        try:
            with self._engine.store.read() as cx:
                marks = services.needing_operator(cx)
            if self._engine.log.trouble is not None:
                raise self._engine.log.trouble.with_traceback(None)  # it is raised again and again
        except PodupError as error:
            database = "failed"
            marks = {}
            issues.append({"component": "db", "message": error.message, "hint": error.hint})
        for unit, mark in marks.items():
            hint = "mend the service, then deploy it with --force"
            issues.append({"component": unit, "message": mark.reason, "hint": hint})
        for task_id, says in self._setbacks().items():
            hint = "it is tried again; `tasks show` tells of it"
            issues.append({"component": task_id, "message": f"task {task_id} {says}", "hint": hint})
        host = self._host() or HostState()
        issues += [asdict(issue) for issue in host.issues]
        update = self._update()
        if update["hold"]:
            says = f"updates are on hold: {update['hold']}"
            issues.append({"component": "self-update", "message": says, "hint": CLEAR_HOLD})
        if not update["beats"]:
            says, hint = "what is done beside the server stands still", "its log tells why; restart it"
            issues.append({"component": "duties", "message": says, "hint": hint})
        value = {
            "status": "maintenance" if update["maintenance"] else "degraded" if issues else "ok",
            "version": self._version,
            "db": database,
            "podman": host.podman,
            "podman_version": host.podman_version or None,
            "systemd": host.systemd,
            "systemd_state": host.systemd_state or None,
            "issues": issues,
            "update": update,
        }
        return answer(value, status=503 if database != "ok" else 200)
