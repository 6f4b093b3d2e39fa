"""What is measured: the real server and the real store, from the bytes of a webhook to its commit.

    python3 bench/target.py STATE      prints its port, serves until its standard input ends

A turn of the loop: signature, JSON, the unit's image, both inbox keys, a delivery and an event row for each
request, then one commit (synchronous FULL) for all of them. No task is started: the peer does not wait for
its command either.
"""

import hashlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from load import IMAGE, SECRET

from podup.api.auth import Auth, AuthRules
from podup.api.dispatch import Site
from podup.api.failures import Failures
from podup.api.listeners import listen_tcp
from podup.api.request import Request
from podup.api.response import Response, answer, problem
from podup.api.router import Route, Router, Who
from podup.api.server import Server
from podup.api.sessions import Sessions
from podup.clock import SystemClock
from podup.core.images import parse_ref
from podup.core.secrets import Secret
from podup.core.signatures import check_signature
from podup.core.states import new_id
from podup.core.webhooks import Matched, PackageEvent, match, read_event
from podup.errors import Unauthorized
from podup.files import FileLock, make_dirs
from podup.store import deliveries, events
from podup.store.db import Connection, Database
from podup.store.migrations import open_current

THREE_DAYS_S = 3 * 86400


class Inbox:
    """Takes the webhooks of a turn."""

    def __init__(self, db: Database, clock: SystemClock) -> None:
        self._db = db
        self._clock = clock
        self._secrets = (Secret(SECRET),)
        self._image = parse_ref(f"{IMAGE}:latest")

    def take(self, turn: Sequence[Request]) -> Sequence[Response]:
        """Answer 202 for what is on the disk, 401 for what nobody signed."""
        signed = [check_signature(r.header("x-hub-signature-256"), r.body, self._secrets).ok for r in turn]
        if not any(signed):
            return [_refuse(request) for request in turn]
        logged: list[events.Event] = []
        with self._db.write() as cx:
            answers = [
                self._accept(cx, request, logged) if ok else _refuse(request)
                for request, ok in zip(turn, signed, strict=True)
            ]
            events.insert(cx, logged)
        return answers

    def _accept(self, cx: Connection, request: Request, logged: list[events.Event]) -> Response:
        event = read_event(request.header("x-github-event"), request.body)
        if not isinstance(event, PackageEvent) or not isinstance(match(event, self._image), Matched):
            return answer({"status": "ignored"}, 202)
        now, target = self._clock.now(), request.params["unit"]
        body_hash = hashlib.sha256(request.body).hexdigest()
        delivery_id = request.header("x-github-delivery")
        since_s = now - THREE_DAYS_S
        same = deliveries.find_same(
            cx, target, delivery_id=delivery_id, body_hash=body_hash, since_s=since_s
        )
        if same is not None:
            return answer({"status": "duplicate", "task_id": same.task_id})
        made = deliveries.Delivery(
            id=new_id("dlv", os.urandom),
            received_at=now,
            target=target,
            body_hash=body_hash,
            outcome="accepted",
            delivery_id=delivery_id,
            event=event.event,
            action=event.action,
            image=event.image,
            tags=event.tags,
            digest=event.digest or "",
            request_id=request.request_id,
        )
        deliveries.insert(cx, made)
        line = events.Event(
            ts=now,
            request_id=request.request_id,
            method=request.method,
            path=request.path,
            status=202,
            action="github-package-update",
            meta={"delivery": made.id},
        )
        logged.append(line)
        return answer({"status": "accepted", "delivery": made.id}, 202)


def _refuse(request: Request) -> Response:
    return problem(Unauthorized("bad-signature", "the signature does not match"), request.request_id)


def stop_with_input(server: Server) -> None:
    """Stop when whoever started this closes our standard input."""
    sys.stdin.read()
    server.stop()


def main() -> None:
    state = Path(sys.argv[1])
    clock = SystemClock()
    make_dirs(state)
    lock = FileLock(state / "daemon.lock", what="bench")
    lock.acquire()
    path = state / "data" / "bench.db"
    db, _ = open_current(path, lock=lock, version="0.1.0", now=clock.now(), backups=state / "backups")
    inbox = Inbox(db, clock)
    row = Route(
        "POST",
        "/github-package-update/{unit}",
        "Takes a webhook.",
        Who.SIGNATURE,
        batch=inbox.take,
        body_limit=25 << 20,
    )
    auth = Auth(
        AuthRules(),
        token_lookup=lambda _hash: None,
        sessions=Sessions(clock, os.urandom),
        failures=Failures(clock),
    )
    site = Site(Router([row]), auth, clock, random_bytes=os.urandom)
    server = Server(site, [listen_tcp("127.0.0.1:0")], clock)
    print(server.port, flush=True)
    threading.Thread(target=stop_with_input, args=(server,), daemon=True).start()
    server.serve_forever()
    server.server_close()
    db.close()
    print(f"{os.times().user + os.times().system:.2f}", flush=True)


if __name__ == "__main__":
    main()
