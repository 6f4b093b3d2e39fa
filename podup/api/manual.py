"""The routes by which an operator or a script starts work by hand: restart, deploy, roll back."""

from typing import Any

from podup.api.tasks import as_trigger
from podup.core.units import unit_name
from podup.engine.engine import Engine
from podup.engine.intake import Intent
from podup.errors import Invalid, NotFound, PodupError
from podup.records import dataclass
from podup.server.request import Request
from podup.server.response import Response, answer
from podup.server.router import Route, Who
from podup.store import services
from podup.store.db import Connection
from podup.store.services import Service
from podup.store.tasks import Task

_MAX_UNITS = 200


@dataclass(frozen=True, slots=True)
class UnitsBody:
    """Which units: all that are known, or these."""

    token: str = ""
    all: bool = False
    units: tuple[str, ...] = ()
    dry_run: bool = False
    caller: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ServiceBody:
    """How to deploy one service; `image` is another tag or digest of the image its unit names."""

    token: str = ""
    image: str = ""
    dry_run: bool = False
    caller: str = ""
    reason: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class RollbackBody:
    """Where to go back to; without `to`, to what ran well before."""

    to: str = ""
    dry_run: bool = False
    caller: str = ""
    reason: str = ""


class ManualRoutes:
    """Turns requests of people and scripts into tasks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        service = "/api/manual/services/{slug}"
        return (
            Route(
                "POST",
                "/api/manual/trigger",
                "Restart units and prove them well.",
                Who.ADMIN,
                self.trigger,
                effect=True,
                scope="manual",
                token_in=("body",),
                body=UnitsBody,
                example='{"units":["web"],"dry_run":true}',
            ),
            Route(
                "POST",
                "/api/manual/deploy",
                "Deploy the newest image of units, all or some.",
                Who.ADMIN,
                self.deploy_many,
                effect=True,
                scope="manual",
                body=UnitsBody,
                example='{"all":true,"dry_run":true}',
            ),
            Route(
                "POST",
                service,
                "Deploy one service: pull, restart, prove, or take back.",
                Who.ADMIN,
                self.deploy,
                effect=True,
                scope="manual",
                token_in=("body",),
                body=ServiceBody,
            ),
            Route(
                "POST",
                f"{service}/upgrade",
                "Deploy another tag or digest of a service's image.",
                Who.ADMIN,
                self.upgrade,
                effect=True,
                scope="manual",
                body=ServiceBody,
                example='{"image":"ghcr.io/acme/web:v2","dry_run":true}',
            ),
            Route(
                "POST",
                f"{service}/rollback",
                "Take a service back to an image that ran before.",
                Who.ADMIN,
                self.rollback,
                effect=True,
                scope="manual",
                body=RollbackBody,
            ),
        )

    def deploy(self, request: Request) -> Response:
        body: ServiceBody = request.data
        catalogue = self._engine.catalogue
        with self._engine.store.write() as cx:
            service = _service(cx, request.params["slug"])
            intent = catalogue.deploy(service, image=body.image, force=body.force, dry_run=body.dry_run)
            task = self._engine.intake.submit(cx, intent, as_trigger(request, body))
        return self._accepted(task)

    def upgrade(self, request: Request) -> Response:
        if not request.data.image:
            raise Invalid("missing-field", "the field image is missing", "name a tag or digest to go to")
        return self.deploy(request)

    def rollback(self, request: Request) -> Response:
        body: RollbackBody = request.data
        with self._engine.store.write() as cx:
            service = _service(cx, request.params["slug"])
            intent = self._engine.catalogue.rollback(cx, service, to=body.to, dry_run=body.dry_run)
            task = self._engine.intake.submit(cx, intent, as_trigger(request, body))
        return self._accepted(task)

    def trigger(self, request: Request) -> Response:
        body: UnitsBody = request.data
        catalogue = self._engine.catalogue
        with self._engine.store.write() as cx:
            units, skipped = _chosen(cx, body)
            intents = [catalogue.restart(unit, dry_run=body.dry_run) for unit in units]
            parent, tasks = self._submit(cx, request, intents)
        started = [{"unit": task.unit, "task_id": task.id, "status": str(task.status)} for task in tasks]
        self._engine.wake()
        value = {"task_id": parent, "triggered": started, "skipped": skipped, "dry_run": body.dry_run}
        return answer(value, status=207 if skipped else 202)

    def deploy_many(self, request: Request) -> Response:
        body: UnitsBody = request.data
        catalogue = self._engine.catalogue
        with self._engine.store.write() as cx:
            units, skipped = _chosen(cx, body)
            intents: list[Intent] = []
            for unit in units:
                service = services.get(cx, unit)
                reason = catalogue.why_not(unit, service)
                if service is None or reason:
                    skipped.append({"unit": unit, "reason": reason})
                else:
                    intents.append(catalogue.deploy(service, dry_run=body.dry_run))
            parent, tasks = self._submit(cx, request, intents)
        self._engine.wake()
        deploying = [{"unit": task.unit, "task_id": task.id, "image": task.image} for task in tasks]
        value = {"task_id": parent, "deploying": deploying, "skipped": skipped, "dry_run": body.dry_run}
        return answer(value, status=202)

    def _submit(self, cx: Connection, request: Request, intents: list[Intent]) -> tuple[str, list[Task]]:
        trigger = as_trigger(request, request.data)
        if len(intents) == 1:
            task = self._engine.intake.submit(cx, intents[0], trigger)
            return task.id, [task]
        if not intents:
            return "", []
        parent, tasks = self._engine.intake.submit_batch(cx, intents, trigger)
        return parent.id, tasks

    def _accepted(self, task: Task) -> Response:
        self._engine.wake()
        meta: dict[str, Any] = {
            "task_id": task.id,
            "unit": task.unit,
            "image": task.image,
            "dry_run": task.dry_run,
        }
        return answer({**meta, "status": str(task.status)}, status=202)


def _service(cx: Connection, name: str) -> Service:
    found = services.by_slug(cx, name)
    if found is None:
        hint = "`services --refresh` looks for it; a unit can be named in PODUP_MANUAL_UNITS"
        raise NotFound("unit-not-found", f"{name} is not a service managed here", hint)
    return found


def _chosen(cx: Connection, body: UnitsBody) -> tuple[list[str], list[dict[str, str]]]:
    """Return the units wanted, once each, and those that cannot be: pairs of unit and reason."""
    if body.all:
        return [service.unit for service in services.all_known(cx)], []
    if not body.units:
        raise Invalid("no-units", "no unit was named", "name some in `units`, or say `all`: true")
    if len(body.units) > _MAX_UNITS:
        raise Invalid("too-many-units", f"more than {_MAX_UNITS} units were named")
    chosen: list[str] = []
    skipped: list[dict[str, str]] = []
    for name in dict.fromkeys(body.units):
        try:
            unit = unit_name(name)
        except PodupError as error:
            skipped.append({"unit": name, "reason": error.message})
            continue
        if unit in chosen:  # `web` and `web.service` are one
            continue
        if services.get(cx, unit) is None:
            skipped.append({"unit": unit, "reason": "not managed here"})
        else:
            chosen.append(unit)
    return chosen, skipped
