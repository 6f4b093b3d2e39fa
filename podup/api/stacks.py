"""The routes of compose stacks: the map, one, its checks, and the tasks on it."""

from typing import Any

from podup.api.tasks import as_trigger
from podup.core.preflight import first_block
from podup.engine.engine import Engine
from podup.engine.intake import Intent
from podup.engine.stack_catalogue import ChangeWish, RestoreWish, StackCatalogue
from podup.records import dataclass
from podup.server.request import PAGING, Request, read_page
from podup.server.response import Response, answer, answer_list, answer_page
from podup.server.router import Route, Who
from podup.store import stack_history

_ONE = "/api/stacks/{name}"


@dataclass(frozen=True, slots=True)
class ChangeBody:
    """Which version to go to, and how; `env` is checked against the stack's when it is given."""

    version: str = ""
    env: str = ""
    force: bool = False
    skip_smoke: bool = False
    dumps: bool = True
    dry_run: bool = False
    caller: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StackBody:
    """A task without a version: who wants it, and why."""

    dry_run: bool = False
    caller: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PreflightBody:
    """The version that would be deployed; empty for what runs now."""

    version: str = ""
    env: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class RestoreBody:
    """Which backup to put back, whether with its databases, and whether the current ones are dumped first."""

    backup: str
    databases: bool = True
    dumps: bool = True
    dry_run: bool = False
    caller: str = ""
    reason: str = ""


class StackRoutes:
    """Shows stacks and turns requests into tasks on them."""

    def __init__(self, engine: Engine, catalogue: StackCatalogue) -> None:
        self._engine = engine
        self._catalogue = catalogue

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        looks = (
            Route(
                "GET",
                "/api/stacks",
                "List the stacks: version, last change, backups.",
                Who.ADMIN,
                self.list,
                query=PAGING,
            ),
            Route("GET", _ONE, "Show a stack with containers, backups and proof.", Who.ADMIN, self.show),
            Route(
                "GET",
                "/api/deploy-history",
                "List what was deployed, taken back, backed up and promoted, newest first.",
                Who.ADMIN,
                self.history,
                query=("stack", *PAGING),
            ),
            self._post(
                "preflight",
                "Make the checks before a deployment.",
                self.preflight,
                PreflightBody,
                effect=False,
            ),
            self._post("smoke", "Make the smoke checks.", self.smoke, StackBody, effect=False),
        )
        tasks = (
            self._post("deploy", "Deploy a version, or take it back.", self.deploy, ChangeBody),
            self._post("rollback", "Go back to a version that ran well.", self.rollback, ChangeBody),
            self._post("backup", "Back files and databases up, verified.", self.backup, StackBody),
            self._post("promote", "Record what runs as verified.", self.promote, StackBody),
            self._post("sync", "Copy the source directory to the run directory.", self.sync, StackBody),
            self._post("restore", "Put a backup back.", self.restore, RestoreBody),
        )
        return (*looks, *tasks)

    def list(self, request: Request) -> Response:
        rows = [self._catalogue.overview(stack) for stack in self._catalogue.stacks]
        return answer_list("stacks", rows, request)

    def show(self, request: Request) -> Response:
        return answer(self._catalogue.detail(self._catalogue.find(request.params["name"])))

    def history(self, request: Request) -> Response:
        page, stack = read_page(request), request.query_one("stack")
        with self._engine.store.read() as cx:
            found, total = stack_history.find(cx, stack=stack, page=page.number, per_page=page.size)
        rows = [
            {
                "at": row.at,
                "stack": row.stack,
                "env": row.env,
                "action": row.action,
                "version": row.version,
                "status": row.status,
                "notes": row.notes,
                "task_id": row.task_id,
            }
            for row in found
        ]
        return answer_page("history", rows, total=total, page=page)

    def preflight(self, request: Request) -> Response:
        body: PreflightBody = request.data
        stack = self._catalogue.find(request.params["name"], body.env)
        checks = self._catalogue.preflight(stack, version=body.version, force=body.force)
        rows = [
            {"name": check.name, "mark": str(check.mark), "says": check.says, "hint": check.hint}
            for check in checks
        ]
        return answer({"stack": stack.name, "ok": first_block(checks) is None, "checks": rows})

    def smoke(self, request: Request) -> Response:
        stack = self._catalogue.find(request.params["name"])
        report = self._catalogue.smoke(stack)
        ok = report.is_ready and not report.failed
        value = {"stack": stack.name, "ok": ok, "ready": report.is_ready}
        return answer({**value, "passed": list(report.passed), "failed": list(report.failed)})

    def deploy(self, request: Request) -> Response:
        stack = self._catalogue.find(request.params["name"], request.data.env)
        return self._submit(request, self._catalogue.deploy(stack, _wish(request.data)))

    def rollback(self, request: Request) -> Response:
        stack = self._catalogue.find(request.params["name"], request.data.env)
        return self._submit(request, self._catalogue.rollback(stack, _wish(request.data)))

    def backup(self, request: Request) -> Response:
        stack = self._catalogue.find(request.params["name"])
        return self._submit(request, self._catalogue.backup(stack, dry_run=request.data.dry_run))

    def promote(self, request: Request) -> Response:
        body: StackBody = request.data
        stack = self._catalogue.find(request.params["name"])
        intent = self._catalogue.promote(stack, reason=body.reason, dry_run=body.dry_run)
        return self._submit(request, intent)

    def sync(self, request: Request) -> Response:
        stack = self._catalogue.find(request.params["name"])
        return self._submit(request, self._catalogue.sync(stack, dry_run=request.data.dry_run))

    def restore(self, request: Request) -> Response:
        body: RestoreBody = request.data
        stack = self._catalogue.find(request.params["name"])
        wish = RestoreWish(body.backup, body.databases, body.dumps, body.reason, body.dry_run)
        return self._submit(request, self._catalogue.restore(stack, wish))

    def _post(self, verb: str, says: str, handler: Any, body: type, *, effect: bool = True) -> Route:
        path = f"{_ONE}/{verb}"
        example = '{"backup":"20260102-030405","dry_run":true}' if body is RestoreBody else ""
        return Route(
            "POST",
            path,
            says,
            Who.ADMIN,
            handler,
            effect=effect,
            scope="stacks",
            body=body,
            example=example,
        )

    def _submit(self, request: Request, intent: Intent) -> Response:
        with self._engine.store.write() as cx:
            task = self._engine.intake.submit(cx, intent, as_trigger(request, request.data))
        self._engine.wake()
        value = {"task_id": task.id, "dry_run": task.dry_run, "status": str(task.status), **intent.meta}
        return answer(value, status=202)


def _wish(body: ChangeBody) -> ChangeWish:
    return ChangeWish(
        version=body.version,
        env=body.env,
        force=body.force,
        skip_smoke=body.skip_smoke,
        reason=body.reason,
        dumps=body.dumps,
        dry_run=body.dry_run,
    )
