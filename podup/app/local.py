"""A command without a daemon: the same handlers run in this process.

The daemon's lock is held for each transaction only, never while work runs, so another command or a daemon
that starts in the meantime can go on. While a task is followed this process moves all tasks along, and after
its end what follows from it: nobody else would.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from podup.api.last_payload import LastPayload
from podup.api.live import task_events
from podup.api.request_log import RequestLog
from podup.api.token_uses import TokenUses
from podup.app.access import admin_token
from podup.app.building import Built, build
from podup.app.opening import BriefStore
from podup.app.routes import UpdateHooks, all_routes, auth_of, engine_routes, site_of
from podup.app.updates import refuse_for_now
from podup.clock import Clock
from podup.core.http1 import Head
from podup.errors import Invalid, PodupError
from podup.net.control import read_answer
from podup.server.request import Peer
from podup.server.server import serve_one
from podup.server.sse import Hub
from podup.settings.load import Loaded
from podup.store import tasks
from podup.store.db import Store
from podup.update import assemble
from podup.update.checkout import places_of
from podup.update.remembered import hold_reason

_FOLLOW_EVERY_S = 0.2
_PEER = Peer("", is_control=True)


class LocalApi:
    """The API in this process; meets `podup.cli.calls.Api`."""

    has_daemon = False

    def __init__(self, built: Built, loaded: Loaded, clock: Clock) -> None:
        self._built = built
        self._clock = clock
        self._requests = RequestLog(built.engine.log, clock)
        auth = auth_of(loaded, built.engine, clock)
        self._site = site_of(engine_routes(built, loaded, Hub()), built.engine, loaded, auth)

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"host": "localhost", "content-type": "application/json"}
        asked = {name: [value] for name, value in (query or {}).items()}
        head = Head(method, path, asked, headers, len(data), False, True, False)
        request = self._site.begin(head, _PEER)
        try:
            admitted = self._site.admit(request)
            request = self._site.complete(admitted, data)
            response = self._site.answer(admitted.route, request)
        except PodupError as error:
            response = self._site.refuse(request, error)
        if method != "GET":
            took_s = self._clock.monotonic() - request.received_at
            self._requests.heard(request, response, took_s)
            self._built.engine.log.flush()
        return read_answer(response.status, response.body)

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        told = 0
        while True:
            self._built.dispatcher.turn()
            for event in task_events(self._built.engine, task_id):
                if event.name == "end":
                    see_through(self._built.dispatcher.turn, self._built.engine.store, self._clock, task_id)
                    return
                if event.number > told:
                    told = event.number
                    yield event.data
            self._clock.sleep(_FOLLOW_EVERY_S)

    def settle(self) -> None:
        """`settle`, for a caller that follows no task."""
        settle(self._built, self._clock)


def see_through(turn: Callable[[], object], store: Store, clock: Clock, task_id: str) -> None:
    """Call `turn` until what followed from a task that has ended, and from that again, has ended too."""
    reasons = {f"after {task_id}"}
    while True:
        turn()
        with store.read() as cx:
            alive = (*tasks.running(cx), *tasks.pending(cx, clock.now()))
        following = [task for task in alive if task.trigger.reason in reasons]
        if not following:
            return
        reasons |= {f"after {task.id}" for task in following}
        clock.sleep(_FOLLOW_EVERY_S)


def settle(built: Built, clock: Clock) -> None:
    """Move all tasks along until none runs any more; held and postponed ones stay where they are."""
    while True:
        built.dispatcher.turn()
        with built.engine.store.read() as cx:
            if not tasks.running(cx):
                return
        clock.sleep(_FOLLOW_EVERY_S)


def open_local(loaded: Loaded, clock: Clock) -> LocalApi:
    """Return the API of this process, with the services of this machine looked up."""
    built = build(loaded, BriefStore(loaded, clock), clock, wake=lambda: None)
    built.engine.catalogue.find()
    return LocalApi(built, loaded, clock)


def serve_connection(loaded: Loaded, clock: Clock, *, stdin: int = 0) -> int:
    """Answer the one connection on standard input and output, then see what it began to its end.

    Return the exit code. Raises Invalid where there can be none; Busy while a daemon has the state: its own
    port serves then.
    """
    if stat.S_ISCHR(os.fstat(stdin).st_mode):  # a terminal or /dev/null
        hint = "`http-server` listens by itself; the socket of a unit comes with its .socket unit"
        raise Invalid("no-connection", "no socket was passed, and standard input is no connection", hint)
    built = build(loaded, BriefStore(loaded, clock), clock, wake=lambda: None)
    with built.engine.store.write():
        pass  # is somebody else the writer? then say so before anything is answered
    built.engine.catalogue.find()
    uses = TokenUses(built.engine.store, clock, wake=lambda: None)
    auth = auth_of(loaded, built.engine, clock, admin_token=admin_token(loaded), on_use=uses.note)
    hooks = UpdateHooks(
        refuse_for_now, lambda: assemble.parts_of(loaded, clock, _quiet), lambda: _at_rest(loaded)
    )
    payload = LastPayload(built.engine.state_dir / "last_payload.bin", clock, wake=lambda: None)
    routes = all_routes(built, loaded, Hub(), hooks, keep_payload=payload.keep)
    heard = RequestLog(built.engine.log, clock).heard
    serve_one(site_of(routes, built.engine, loaded, auth, on_done=heard), clock, stdin=stdin)
    built.engine.log.close()
    uses.turn()
    payload.turn()
    settle(built, clock)
    return 0


def _at_rest(loaded: Loaded) -> dict[str, Any]:
    hold = hold_reason(places_of(loaded))
    return {"txid": "", "maintenance": False, "beats": True, "hold": hold}


def _quiet(_text: str) -> None:
    """Standard error may be the connection too."""
