"""The routes of the inbox: what came, what every rule said of it, once more, and how webhooks stand."""

from typing import Any

from podup.api.services import webhook_path
from podup.api.task_views import row as task_row
from podup.core.units import unit_name
from podup.engine import replay
from podup.engine.engine import Engine
from podup.engine.inbox import Decision
from podup.errors import NotFound
from podup.records import dataclass
from podup.server.request import PAGING, Request, read_page
from podup.server.response import Response, answer, answer_list, answer_page
from podup.server.router import Route, Who
from podup.settings.load import Loaded
from podup.store import deliveries, events, services, tasks
from podup.store.db import Connection
from podup.store.deliveries import Delivery
from podup.store.events import EventFilter

_ONE = "/api/deliveries/{id}"
_GOOD, _BAD = ("accepted", "duplicate"), ("refused", "limited", "skipped")
_DAY_S = 86400.0
_SHOWN_EVENTS = 50


@dataclass(frozen=True, slots=True)
class SimulateBody:
    """A delivery to judge: its event as in X-GitHub-Event (empty: the plain kind) and its JSON body."""

    unit: str
    payload: Any
    event: str = ""


class DeliveryRoutes:
    """Shows, explains, judges and replays deliveries."""

    def __init__(self, engine: Engine, loaded: Loaded) -> None:
        self._engine = engine
        self._loaded = loaded

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        stand = "How webhooks stand, unit by unit."
        filters = ("unit", "outcome", *PAGING)
        newest = "List deliveries, newest first."
        again = "Take a delivery once more, from what was stored of it."
        would = "Tell what the rules would say of a stored delivery now; nothing is done."
        made_up = "Tell what the rules would say of a delivery with this body; nothing is done."
        why = "Tell why something was done or not: of a delivery, a task or a request."
        return (
            Route("GET", "/api/webhooks/status", stand, Who.ADMIN, self.status, query=PAGING),
            Route("GET", "/api/deliveries", newest, Who.ADMIN, self.list, query=filters),
            Route("GET", _ONE, "Tell one delivery, and what every rule said.", Who.ADMIN, self.show),
            Route("POST", f"{_ONE}/replay", again, Who.ADMIN, self.replay, effect=True),
            Route("POST", f"{_ONE}/simulate", would, Who.ADMIN, self.judge),
            Route(
                "POST",
                "/api/deliveries/simulate",
                made_up,
                Who.ADMIN,
                self.simulate,
                body=SimulateBody,
                example='{"unit":"web","payload":{"image":"ghcr.io/acme/web:latest"}}',
            ),
            Route("GET", "/api/explain/{id}", why, Who.ADMIN, self.explain),
        )

    def list(self, request: Request) -> Response:
        page, unit = read_page(request), request.query_one("unit")
        with self._engine.store.read() as cx:
            found, total = deliveries.find(
                cx,
                target=unit_name(unit) if unit else "",
                outcome=request.query_one("outcome"),
                page=page.number,
                per_page=page.size,
            )
        return answer_page("deliveries", [_row(one) for one in found], total=total, page=page)

    def show(self, request: Request) -> Response:
        with self._engine.store.read() as cx:
            return answer(_detail(_delivery(cx, request.params["id"])))

    def replay(self, request: Request) -> Response:
        with self._engine.store.write() as cx:
            old = _delivery(cx, request.params["id"])
            checked = replay.stored(old, request_id=request.request_id, path=request.path)
            reply = self._engine.inbox.accept(cx, checked, replay_of=old.id)
        if reply.error is not None:
            raise reply.error
        self._engine.wake()
        return answer({**reply.body, "replay_of": old.id}, status=reply.status)

    def judge(self, request: Request) -> Response:
        with self._engine.store.read() as cx:
            checked = replay.stored(_delivery(cx, request.params["id"]))
            return _judged(replay.judge(cx, self._engine.inbox, checked, is_replay=True))

    def simulate(self, request: Request) -> Response:
        body: SimulateBody = request.data
        checked = replay.made_up(body.unit, body.event, body.payload)
        with self._engine.store.read() as cx:
            return _judged(replay.judge(cx, self._engine.inbox, checked))

    def explain(self, request: Request) -> Response:
        named = request.params["id"]
        with self._engine.store.read() as cx:
            delivery, task = deliveries.get(cx, named), tasks.get(cx, named)
            if delivery is not None and delivery.task_id:
                task = tasks.get(cx, delivery.task_id)
            led = deliveries.for_task(cx, named) if delivery is None else [delivery]
            wanted = EventFilter(task_id=task.id) if task is not None else EventFilter(request_id=named)
            found, _ = events.find(cx, wanted, per_page=_SHOWN_EVENTS)
        if not led and task is None and not found:
            raise NotFound("nothing-known", f"nothing is known of {named[:80]!r}", "see `events`")
        return answer(
            {
                "deliveries": [_detail(one) for one in led],
                "task": task and task_row(task),
                "events": [
                    {"ts": event.ts, "action": event.action, "status": event.status, "meta": dict(event.meta)}
                    for event in reversed(found)
                ],
            }
        )

    def status(self, request: Request) -> Response:
        settings = self._loaded.settings
        scheme = "https" if request.header("x-forwarded-proto") == "https" else "http"
        asked = f"{scheme}://{request.header('host') or 'localhost'}"
        base = settings.http.public_url.rstrip("/") or asked
        now_s = self._engine.clock.now()
        with self._engine.store.read() as cx:
            known, times = services.all_known(cx), deliveries.last_times(cx)
            counted = events.counts_since(cx, now_s - _DAY_S)
        refused = sum(count for _, kind, count in counted if kind == "webhook-401")
        rows = []
        for service in known:
            last = times.get(service.unit, {})
            url = f"{base}{webhook_path(service)}"
            rows.append(
                {
                    "unit": service.unit,
                    "image": service.image or None,
                    "url": url,
                    "redeploy_url": f"{url}/redeploy",
                    "secret": self._secret(service.unit),
                    "last_success": max((last[name] for name in _GOOD if name in last), default=None),
                    "last_failure": max((last[name] for name in _BAD if name in last), default=None),
                    "last": last,
                }
            )
        return answer_list("webhooks", rows, request, wrong_signatures_last_day=refused)

    def _secret(self, unit: str) -> str:
        own = self._loaded.config.units.get(unit)
        if own is not None and own.webhook_secrets:
            return "own"
        return "shared" if self._loaded.settings.access.webhook_secrets else "unset"


def _delivery(cx: Connection, named: str) -> Delivery:
    found = deliveries.get(cx, named)
    if found is None:
        hint = "see GET /api/deliveries"
        raise NotFound("delivery-not-found", f"there is no delivery {named[:80]!r}", hint)
    return found


def _row(one: Delivery) -> dict[str, Any]:
    return {
        "id": one.id,
        "delivery_id": one.delivery_id or None,
        "received_at": one.received_at,
        "unit": one.target,
        "sender": one.sender,
        "event": one.event,
        "action": one.action,
        "image": one.image,
        "tags": list(one.tags),
        "digest": one.digest or None,
        "outcome": one.outcome,
        "reason": one.reason,
        "request_id": one.request_id,
        "task_id": one.task_id or None,
        "task_status": one.task_status and str(one.task_status),
        "replay_of": one.replay_of or None,
    }


def _detail(one: Delivery) -> dict[str, Any]:
    return {**_row(one), "body_sha256": one.body_hash, "rules": [rule._asdict() for rule in one.rules]}


def _judged(decision: Decision) -> Response:
    rules = [rule._asdict() for rule in decision.rules]
    return answer({"outcome": decision.outcome, "reason": decision.reason, "rules": rules})
