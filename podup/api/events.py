"""The event log for people: pages, filters, CSV, and a live stream."""

import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from podup.engine.engine import Engine
from podup.errors import Invalid
from podup.late import late
from podup.server.request import PAGING, Request, read_page
from podup.server.response import Response, answer_page
from podup.server.router import Route, Who
from podup.server.sse import Event as LiveEvent
from podup.server.sse import Hub, last_event_id
from podup.store import events
from podup.store.events import Event, EventFilter

if TYPE_CHECKING:
    import csv
else:
    csv = late("csv")

TOPIC = "events"
CSV_ROWS = 50_000
_SHOWN_FIRST = 50
_AT_ONCE = 500
_MISSED_AT_MOST = 5000
_FILTERS = ("request_id", "task_id", "path", "status", "action", "from", "to")
_COLUMNS = ("id", "ts", "request_id", "method", "path", "status", "action", "duration_ms", "task_id", "meta")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class EventRoutes:
    """Lists events and streams new ones."""

    def __init__(self, engine: Engine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        return (
            Route(
                "GET",
                "/api/events",
                f"List events, newest first; `format=csv` gives all that match, at most {CSV_ROWS}.",
                Who.ADMIN,
                self.list,
                query=(*_FILTERS, "format", *PAGING),
            ),
            Route(
                "GET",
                "/sse/events",
                "Stream events as they are stored; resumes with Last-Event-ID.",
                Who.ADMIN,
                self.watch,
            ),
        )

    def list(self, request: Request) -> Response:
        wanted = read_filter(request)
        if request.query_one("format") == "csv":
            return self._export(wanted)
        page = read_page(request)
        with self._engine.store.read() as cx:
            found, total = events.find(cx, wanted, page=page.number, per_page=page.size)
        return answer_page("events", [row(event) for event in found], total=total, page=page)

    def watch(self, request: Request) -> Response:
        first = last_event_id(request)
        with self._engine.store.read() as cx:
            newest = events.last_id(cx)
        if not 0 < first <= newest:  # a number of another database begins anew
            first = max(0, newest - _SHOWN_FIRST)
        return self._hub.respond(TOPIC, after=first, replay=self._after)

    def _after(self, event_id: int) -> Iterable[LiveEvent]:
        """Return all events after one, of more than `_MISSED_AT_MOST` the newest."""
        with self._engine.store.read() as cx:
            first = max(event_id, events.last_id(cx) - _MISSED_AT_MOST)
            return [_live(event) for event in events.after(cx, first, limit=_MISSED_AT_MOST)]

    def _export(self, wanted: EventFilter) -> Response:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(_COLUMNS)
        left = CSV_ROWS
        for chunk in events.export(self._engine.store, wanted):
            writer.writerows(_cells(event) for event in chunk[:left])
            left -= len(chunk)
            if left <= 0:
                break
        headers = (
            ("Content-Type", "text/csv; charset=utf-8"),
            ("Content-Disposition", 'attachment; filename="events.csv"'),
        )
        return Response(200, headers, text.getvalue().encode())


class EventFeed:
    """Tells watchers of the log what is new. Used by one thread."""

    def __init__(self, engine: Engine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub
        with engine.store.read() as cx:
            self._told = events.last_id(cx)

    def turn(self) -> None:
        """Publish what was stored since the last turn.

        Its place moves on while nobody watches; whoever begins to afterwards reads all until there first.
        """
        with self._engine.store.read() as cx:
            newest = events.last_id(cx)
            if TOPIC not in self._hub.topics():
                self._told = newest
            while found := events.after(cx, self._told, limit=_AT_ONCE):
                for event in found:
                    self._hub.publish(TOPIC, _live(event))
                self._told = found[-1].id


def read_filter(request: Request) -> EventFilter:
    """Return what the query wants. Raises Invalid."""
    status = request.query_one("status")
    return EventFilter(
        request_id=request.query_one("request_id"),
        task_id=request.query_one("task_id"),
        path=request.query_one("path"),
        status=request.query_int("status", 0, low=0, high=999) if status else None,
        action=request.query_one("action"),
        start=read_moment(request, "from"),
        end=read_moment(request, "to"),
    )


def read_moment(request: Request, name: str) -> float | None:
    """Return Unix seconds of the query, None when not given. Raises Invalid."""
    text = request.query_one(name)
    if not text:
        return None
    try:
        moment = float(text)
    except ValueError:
        moment = float("nan")
    if not abs(moment) < 1e12:
        raise Invalid("bad-query", f"{name} has to be Unix seconds")
    return moment


def row(event: Event) -> dict[str, Any]:
    """Return an event as the API shows it."""
    return {name: getattr(event, name) for name in _COLUMNS[:-2]} | {
        "task_id": event.task_id or None,
        "meta": dict(event.meta),
    }


def _live(event: Event) -> LiveEvent:
    return LiveEvent(event.id, "event", row(event))


def _cells(event: Event) -> list[Any]:
    values = row(event) | {"task_id": event.task_id, "meta": json.dumps(event.meta, ensure_ascii=False)}
    return [_inert(values[name]) for name in _COLUMNS]


def _inert(value: Any) -> Any:
    """Keep a spreadsheet from taking text for a formula (OWASP, CSV Injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
