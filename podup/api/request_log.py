"""Which requests become a row of the event log, and which only a count.

A row: what somebody we know asked for. A count a minute: probes, files and pages, and all that was refused
before anybody was known, so that a flood cannot fill the disk. A webhook that passed its signature has its
row in the transaction of its delivery (`Response.is_logged`).
"""

import json
from typing import Any

from podup.clock import Clock
from podup.engine.event_log import EventLog
from podup.patterns import regex
from podup.server.request import Request
from podup.server.response import JSON, Response
from podup.server.router import PROBES
from podup.store.events import Event

_TASK_ID = regex(rb'"task_id":"([a-z]+_[a-z0-9]{16})"')
_TASK_PATH = regex(r"/api/tasks/([a-z]+_[a-z0-9]{16})(?:/|$)")
_READS = ("GET", "HEAD", "OPTIONS")
_PATH_LENGTH = 500
_TEXT_LENGTH = 200
_SECRET_FIELDS = frozenset({"token", "code"})


class RequestLog:
    """Hears of every answered request."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def heard(self, request: Request, response: Response, duration_s: float) -> None:
        """Record or count one request; the `on_done` of `Site`."""
        if response.is_logged:
            return
        kind = count_kind(request, response)
        if kind:
            self._log.count(kind)
        else:
            self._log.record(event_of(request, response, now_s=self._clock.now(), duration_s=duration_s))


def count_kind(request: Request, response: Response) -> str:
    """Return what a request is counted as; empty when it becomes a row."""
    how = request.principal.how
    if how == "signature":
        return f"webhook-{response.status}"
    if request.path in PROBES:
        return "probe"
    if how != "open":
        return ""
    if response.status >= 400:
        return "malformed" if request.method == "-" else "refused"
    return "page" if request.method in _READS else ""


def event_of(request: Request, response: Response, *, now_s: float, duration_s: float) -> Event:
    """Return the row of a request; the task is the one it names, or the one its answer does."""
    return Event(
        ts=now_s,
        request_id=request.request_id,
        method=request.method,
        path=_text(request.path, _PATH_LENGTH),
        status=response.status,
        action=request.action,
        duration_ms=round(duration_s * 1000),
        meta=_meta(request, response),
        task_id=_task_id(request, response),
    )


def _meta(request: Request, response: Response) -> dict[str, Any]:
    principal = request.principal
    meta: dict[str, Any] = {"source": "cli" if request.peer.is_control else "api", "by": principal.name}
    if request.client:
        meta["client"] = request.client
    said = _said(request)
    texts = {name: said[name] for name in ("caller", "reason") if isinstance(said.get(name), str)}
    meta |= {name: _text(text, _TEXT_LENGTH) for name, text in texts.items() if text}
    if said.get("dry_run") is True:
        meta["dry_run"] = True
    asked = {name: values[-1] for name, values in request.query.items() if name not in _SECRET_FIELDS}
    if asked:
        meta["query"] = {
            _text(name, _TEXT_LENGTH): _text(value, _TEXT_LENGTH) for name, value in list(asked.items())[:20]
        }
    if response.status >= 400 and response.body:
        meta["error"] = _error_code(response)
    return meta


def _said(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body that was read as one, else nothing."""
    is_ours = request.principal.how != "signature" and request.header("content-type").startswith(JSON)
    if not request.body or not is_ours:
        return {}
    try:
        said = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _error_code(response: Response) -> str:
    try:
        return str(json.loads(response.body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _task_id(request: Request, response: Response) -> str:
    named = _TASK_PATH.search(request.path)
    if named:
        return named[1]
    told = None if request.method in _READS else _TASK_ID.search(response.body)
    return told[1].decode() if told else _text(request.query_one("task_id"), _TEXT_LENGTH)


def _text(value: Any, length: int) -> str:
    """Return text a database can hold: bounded, without lone surrogates and NUL."""
    return str(value)[:length].encode("utf-8", "replace").decode().replace("\0", "?")
