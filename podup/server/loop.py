"""The loop that owns the connections.

One turn: wait for events; read and frame, also what comes meanwhile; hand every batch route the requests of
this turn in one call; send their answers; send the answers of the pool and what streams have; close what is
past its deadline. An idle loop wakes at most once in `sweep_s`, and not at all without connections. Out of
descriptors it stops accepting until one is free. Only `call`, `stop` and what they need may be used from
other threads.
"""

import errno
import heapq
import resource
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from podup.clock import Clock
from podup.errors import Unavailable
from podup.server.connection import NEVER, Connection, Encode, Phase
from podup.server.dispatch import Admitted, Site
from podup.server.limits import ServerLimits
from podup.server.listeners import BACKLOG, Listener
from podup.server.poll import READ, Poll
from podup.server.pool import Pool
from podup.server.request import Peer, Request
from podup.server.response import EventSource
from podup.server.router import Route

_ACCEPT_AT_ONCE = 64
_EVICT_PART = 20
_READ_BYTES = 64 * 1024
_LOOKS_AT_MOST = 4
_SPARE_DESCRIPTORS = 64
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class ServerLoop:
    """Accepts, times and serves; implements what `connection.Loop` asks for."""

    def __init__(
        self, site: Site, listeners: Sequence[Listener], clock: Clock, *, limits: ServerLimits, encode: Encode
    ) -> None:
        self.site = site
        self.limits = limits
        self.now = clock.monotonic()
        self.buffered = 0
        self.received = memoryview(bytearray(_READ_BYTES))
        self.is_stopping = False
        self.wakes = 0
        self._clock = clock
        self.encode = encode
        self._listeners = list(listeners)
        self._connections: set[Connection] = set()
        self._poll = Poll()
        self._ready: dict[int, tuple[Route, list[tuple[Connection, Request]]]] = {}
        self._again: list[Connection] = []
        self._calls: deque[Callable[[], None]] = deque()
        self._next_sweep = NEVER
        self._accepts = False
        self._ends_with_last = False
        self._stop_at = NEVER
        self._is_woken = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._poll.watch(self._wake_reader.fileno(), READ, self._on_wake)
        self._most = min(limits.connections, _descriptors() - _SPARE_DESCRIPTORS)
        self._pool: Pool | None = None

    @property
    def open_connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def run(self) -> None:
        """Serve until `stop`, or, without listeners, until the last connection is closed."""
        self._pool = Pool(workers=self.limits.workers, waiting=self.limits.waiting)
        self._ends_with_last = not self._listeners
        self._listen()
        try:
            while not self._is_finished():
                self._turn()
        finally:
            for connection in list(self._connections):
                connection.close()
            self._pool.stop(1.0)
            self._poll.close()
            self._wake_reader.close()
            self._wake_writer.close()

    def adopt(self, sock: socket.socket, peer: Peer) -> None:
        """Serve a connection accepted elsewhere."""
        sock.setblocking(False)
        self.call(lambda: self._add(Connection(sock, peer, self)))

    def stop(self) -> None:
        """Stop gracefully; from any thread or a signal handler."""
        self.call(self._begin_stop)

    def call(self, job: Callable[[], None]) -> None:
        """Run `job` in the loop's thread, soon; from any thread."""
        self._calls.append(job)
        if not self._is_woken:
            self._is_woken = True
            try:
                self._wake_writer.send(b"\0")
            except OSError:  # full: it is awake anyway; closed: it has ended
                return

    def watch(self, connection: Connection, interest: int) -> None:
        if interest == connection.interest:
            return
        connection.interest = interest
        if interest:
            self._poll.watch(connection.sock.fileno(), interest, connection.on_event)
        else:
            self._poll.forget(connection.sock.fileno())

    def ready(self, connection: Connection, admitted: Admitted, request: Request) -> None:
        route = admitted.route
        if route.in_loop or route.batch is not None:
            self._ready.setdefault(id(route.batch or route), (route, []))[1].append((connection, request))
            return
        pool = self._pool
        if pool is None or not pool.submit(partial(self._handle, connection, route, request)):
            busy = Unavailable("server-busy", "too many requests at once", "try again", retry_after_s=2)
            connection.answer(request, self.site.refuse(request, busy))

    def again(self, connection: Connection) -> None:
        self._again.append(connection)

    def streams(self, connection: Connection, source: EventSource) -> None:
        source.attach(lambda: self.call(connection.pump))
        connection.pump()

    def expect(self, deadline: float) -> None:
        if deadline < self._next_sweep:
            self._next_sweep = max(deadline, self.now + self.limits.sweep_s)

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._accepts and not self.is_stopping:
            self.call(self._listen)

    def _handle(self, connection: Connection, route: Route, request: Request) -> None:
        """What a thread of the pool does."""
        response = self.site.answer(route, request)
        self.call(partial(connection.answer, request, response))

    def _turn(self) -> None:
        due = self._poll.wait(self._timeout_s())
        self.now = self._clock.monotonic()
        self.wakes += 1
        for on_event, events in due:
            on_event(events)
        again, self._again = self._again, []
        for connection in again:
            connection.advance()
        if self._ready:
            self._gather()
            self._answer_turn()
        for _ in range(len(self._calls)):
            self._calls.popleft()()
        if self.now >= self._next_sweep:
            self._sweep()

    def _gather(self) -> None:
        """Take in what came meanwhile: those answered last ask again now, and one commit serves all."""
        for _ in range(_LOOKS_AT_MOST):
            held = sum(len(waiting) for _, waiting in self._ready.values())
            due = self._poll.wait(0.0) if held < len(self._connections) else ()
            if not due:
                return
            for on_event, events in due:
                on_event(events)

    def _answer_turn(self) -> None:
        ready, self._ready = self._ready, {}
        for route, waiting in ready.values():
            responses = self.site.answer_turn(route, [request for _, request in waiting])
            self.now = self._clock.monotonic()
            for (connection, request), response in zip(waiting, responses, strict=True):
                connection.answer(request, response)

    def _timeout_s(self) -> float | None:
        if self._again or self._calls or self._ready:  # a call may have made a request ready
            return 0.0
        until = min(self._next_sweep, self._stop_at)
        return None if until == NEVER else max(0.0, until - self.now)

    def _sweep(self) -> None:
        """Close what is late; the next look is at the nearest deadline, but not before `sweep_s`."""
        for connection in [c for c in self._connections if c.deadline <= self.now]:
            connection.expire()
        if not self._accepts and not self.is_stopping:
            self._listen()
        nearest = min((c.deadline for c in self._connections), default=NEVER)
        self._next_sweep = NEVER if nearest == NEVER else max(nearest, self.now + self.limits.sweep_s)

    def _on_wake(self, _mask: int) -> None:
        with suppress(BlockingIOError):
            self._wake_reader.recv(4096)
        self._is_woken = False  # only now: a byte sent before would be gone with these

    def _listen(self) -> None:
        if self._accepts or self.is_stopping:
            return
        self._accepts = True
        for listener in self._listeners:
            self._poll.watch(listener.sock.fileno(), READ, partial(self._accept, listener))

    def _stop_listening(self) -> None:
        if self._accepts:
            self._accepts = False
            for listener in self._listeners:
                self._poll.forget(listener.sock.fileno())

    def _pause(self) -> None:
        """Make room, and accept again when a connection has closed, or at the next sweep."""
        self._stop_listening()
        self.expect(self.now)
        self._evict()

    def _accept(self, listener: Listener, _mask: int) -> None:
        for _ in range(_ACCEPT_AT_ONCE):
            if not self._accept_one(listener):
                return

    def _accept_one(self, listener: Listener) -> bool:
        """Take a connection; return whether another one may wait, and there is room for it."""
        if len(self._connections) >= self._most:
            self._pause()
            return False
        try:
            sock, address = listener.sock.accept()
        except OSError as error:
            if error.errno in _OUT_OF_DESCRIPTORS:
                self._pause()
            return False
        peer = listener.peer(sock, address)
        if peer is None:
            sock.close()
            return True
        sock.setblocking(False)
        self._add(Connection(sock, peer, self))
        return True

    def _add(self, connection: Connection) -> None:
        self._connections.add(connection)
        connection.on_event(READ)  # the request is often here already
        if connection.phase in (Phase.HEAD, Phase.BODY):
            self.watch(connection, READ)

    def _evict(self) -> None:
        """Close those that have waited longest for a head to be complete: they hold what others need."""
        waiting = [
            connection
            for connection in self._connections
            if connection.phase is Phase.HEAD
            and connection.may_go_at <= self.now
            and not connection.peer.is_control
        ]
        count = 1 + len(waiting) // _EVICT_PART
        for connection in heapq.nsmallest(count, waiting, key=lambda c: c.may_go_at):
            connection.close()

    def _begin_stop(self) -> None:
        if self.is_stopping:
            return
        for listener in self._listeners:
            if not listener.is_inherited:  # what waits in an inherited one is served by the next process
                for _ in range(BACKLOG):
                    if not self._accept_one(listener):
                        break
        self._stop_listening()
        self.is_stopping = True
        self._stop_at = self.now + self.limits.stop_s
        for listener in self._listeners:
            if not listener.is_inherited:
                listener.sock.close()
        for connection in list(self._connections):
            if connection.phase is Phase.HEAD:
                connection.on_event(READ)  # what the kernel holds of it was accepted too
            if connection.is_idle or connection.phase is Phase.STREAM:
                connection.close()

    def _is_finished(self) -> bool:
        if self._connections:
            return self.now >= self._stop_at
        return self.is_stopping or (self._ends_with_last and not self._calls)


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 20
