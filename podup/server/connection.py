"""One connection: bytes to requests, answers to bytes, and a deadline for every phase.

A connection handles one request at a time and in order; what a client sends ahead waits in the kernel. It
never blocks and never raises; what goes wrong with the socket closes it. The loop gives it time and interest.

    HEAD -> BODY -> BUSY -> (answer sent) -> HEAD      keep-alive
                         -> STREAM                     server-sent events
                         -> LINGER -> closed           refused with bytes still coming: let the answer arrive
"""

import socket
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from podup.core.http1 import Head, RequestParser
from podup.errors import PodupError, Unavailable
from podup.server.dispatch import Admitted, Site
from podup.server.limits import ServerLimits
from podup.server.poll import READ, WRITE
from podup.server.request import Peer, Request
from podup.server.response import EventSource, Response

Encode = Callable[[Request, Response, bool], bytes]  # the bytes of an answer; True: it keeps the connection

NEVER = float("inf")
_AHEAD_BYTES = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEARTBEAT = b": still here\n\n"


class Phase(Enum):
    """Where a connection is."""

    HEAD = auto()
    BODY = auto()
    BUSY = auto()
    STREAM = auto()
    LINGER = auto()
    CLOSED = auto()


class Loop(Protocol):
    """What a connection needs of its loop."""

    site: Site
    limits: ServerLimits
    now: float
    buffered: int
    received: memoryview  # where a connection reads into; what it keeps it copies
    encode: Encode
    is_stopping: bool

    def watch(self, connection: "Connection", interest: int) -> None:
        """Call `on_event` for these events from now on; 0 for none."""

    def ready(self, connection: "Connection", admitted: Admitted, request: Request) -> None:
        """A request is complete; `answer` is called in this turn or a later one."""

    def again(self, connection: "Connection") -> None:
        """Call `advance` in the next turn: the next request may be here already."""

    def streams(self, connection: "Connection", source: EventSource) -> None:
        """Call `pump` whenever the source has something."""

    def expect(self, deadline: float) -> None:
        """Look at the deadlines again no later than then."""

    def forget(self, connection: "Connection") -> None:
        """The connection is closed."""


_READING = (Phase.HEAD, Phase.BODY)


class Connection:
    """One accepted socket."""

    __slots__ = (
        "_admitted",
        "_head",
        "_held",
        "_is_half_closed",
        "_lingered",
        "_loop",
        "_out",
        "_parser",
        "_request",
        "_stream",
        "_then",
        "_wants_continue",
        "deadline",
        "interest",
        "may_go_at",
        "peer",
        "phase",
        "sock",
    )

    def __init__(self, sock: socket.socket, peer: Peer, loop: Loop) -> None:
        self.sock = sock
        self.peer = peer
        self.phase = Phase.HEAD
        self.may_go_at = loop.now + loop.limits.grace_s  # from then on it may be closed to make room
        self.interest = 0
        self._loop = loop
        self._due_in(loop.limits.head_s)
        self._parser = RequestParser(loop.limits.head)
        self._head: Head | None = None
        self._request: Request | None = None
        self._admitted: Admitted | None = None
        self._wants_continue = False
        self._held = 0
        self._out = bytearray()
        self._then = Phase.HEAD  # what follows once `_out` is sent
        self._stream: EventSource | None = None
        self._lingered = 0
        self._is_half_closed = False

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request of which nothing has come."""
        return self.phase is Phase.HEAD and not self._parser.buffered

    def on_event(self, events: int) -> None:
        """Read and write what is possible now."""
        if events & WRITE and self._out:
            self._send(b"")
            self.pump()
        if events & READ and self.phase is not Phase.CLOSED:
            self._read()

    def advance(self) -> None:
        """Take the next request out of what was read, as far as it is here."""
        before = self._parser.buffered if self._is_half_closed else -1
        if self.phase is Phase.HEAD:
            self._take_head()
        if self.phase is Phase.BODY:
            self._take_body()
        if self._is_half_closed and self.phase in _READING and self._parser.buffered == before:
            self.close()  # the rest of this request will never come
        self._account()

    def answer(self, request: Request, response: Response) -> None:
        """Send the answer to the request that was ready."""
        if self.phase is not Phase.BUSY:
            if response.stream is not None:
                response.stream.close()
            return
        head = self._head
        keeps = head is not None and head.keeps_alive and not self._is_half_closed
        self._respond(request, response, keeps_alive=keeps)

    def pump(self) -> None:
        """Send what a stream has; the next part is taken when this one is gone."""
        stream = self._stream
        while stream is not None and self.phase is Phase.STREAM and not self._out:
            data = stream.take()
            if not data:
                if stream.is_over:
                    self.close()
                return
            self._send(data)

    def expire(self) -> None:
        """The deadline has passed: say so where a request was begun, else just close."""
        if self.phase is Phase.STREAM and not self._out:
            self._send(_HEARTBEAT)
        elif self.phase in _READING and not self.is_idle:
            self._refuse(_Slow("request-timeout", "the request did not arrive in time"))
        else:
            self.close()

    def close(self) -> None:
        """End it now."""
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        self._loop.watch(self, 0)
        self._loop.buffered -= self._held
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self.sock.close()
        self._loop.forget(self)

    def _read(self) -> None:
        try:
            count = self.sock.recv_into(self._loop.received)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        if not count:
            self._on_end()
        elif self.phase is Phase.LINGER:
            self._lingered += count
            if self._lingered > self._loop.limits.linger_bytes:
                self.close()
        elif self.phase is Phase.STREAM:
            self.close()  # a watcher has nothing to say
        else:
            if self.phase is Phase.HEAD and not self._held:
                self._due_in(self._loop.limits.head_s)
            self._parser.feed(self._loop.received[:count])
            self.advance()
            if self.phase is Phase.BUSY and self._held > _AHEAD_BYTES:
                self._loop.watch(self, self.interest & ~READ)

    def _on_end(self) -> None:
        """The client will send no more; one that waits for its answer still gets it."""
        if self.phase is not Phase.BUSY and not (self.phase is Phase.HEAD and self._parser.buffered):
            self.close()
            return
        self._is_half_closed = True
        self._loop.watch(self, self.interest & ~READ)
        if self.phase is Phase.HEAD:
            self._loop.again(self)

    def _take_head(self) -> None:
        loop = self._loop
        self._head = self._request = None
        try:
            head = self._head = self._parser.take_head()
            if head is None:
                return
            request = self._request = loop.site.begin(head, self.peer)
            self._admitted = loop.site.admit(request)
        except PodupError as error:
            self._refuse(error)
            return
        self.phase = Phase.BODY
        self._wants_continue = head.expects_continue
        self.deadline = NEVER  # until the body is known not to be here

    def _take_body(self) -> None:
        admitted = self._admitted
        if admitted is None:
            return
        try:
            body = self._parser.take_body(admitted.body_limit)
            if body is None:
                self._await_body(admitted)
                self._check_memory()
                if self._wants_continue:
                    self._wants_continue = False
                    self._send(_CONTINUE)
                return
            request = self._loop.site.complete(admitted, body)
        except PodupError as error:
            self._refuse(error)
            return
        self._request = request
        self.phase = Phase.BUSY
        self.deadline = NEVER
        self._loop.ready(self, admitted, request)

    def _await_body(self, admitted: Admitted) -> None:
        """Set the time for the whole body when its first part is here."""
        if self.deadline == NEVER and self._head is not None:
            limits = self._loop.limits
            size = self._head.content_length or admitted.body_limit
            self._due_in(limits.transfer_s + size / limits.slowest)

    def _check_memory(self) -> None:
        """When all is taken, only those that hold more than an equal share have to go."""
        limits = self._loop.limits
        share = limits.buffered // limits.connections
        if self._loop.buffered > limits.buffered and self._parser.buffered > share:
            raise Unavailable("too-much-at-once", "too many large requests at once", retry_after_s=5)

    def _refuse(self, error: PodupError) -> None:
        """Answer with a problem; keep the connection only when the request's end is known and read."""
        loop, head = self._loop, self._head
        begun = self._request or loop.site.begin(head, self.peer)
        request = loop.site.known(begun, self._admitted, error)
        self.phase = Phase.BUSY
        if head is not None and not head.has_body and self._parser.is_in_body:
            self._parser.take_body(0)
        keeps = head is not None and head.keeps_alive and not self._parser.is_in_body
        self._respond(request, loop.site.refuse(request, error), keeps_alive=keeps)

    def _respond(self, request: Request, response: Response, *, keeps_alive: bool) -> None:
        loop = self._loop
        keeps = keeps_alive and response.stream is None and not loop.is_stopping
        data = loop.encode(request, response, keeps)
        loop.site.done(request, response, loop.now - request.received_at)
        self._admitted = self._request = None
        self.deadline = NEVER  # until it is known not to be sent at once
        self._stream = response.stream
        if self._stream is not None and request.method != "HEAD":
            self._then = Phase.STREAM
        elif keeps:
            self._then = Phase.HEAD
        else:
            self._then = Phase.LINGER if self._parser.is_in_body or self._head is None else Phase.CLOSED
        self._send(data)

    def _send(self, data: bytes) -> None:
        """Send now what the kernel takes, keep the rest."""
        waits = bool(self._out)
        self._out += data
        if not waits or not data:
            try:
                sent = self.sock.send(self._out)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.close()
                return
            del self._out[:sent]
        if self._out:
            if not waits and (self.phase is Phase.STREAM or self.deadline == NEVER):
                self._due_in(self._loop.limits.transfer_s + len(self._out) / self._loop.limits.slowest)
            self._loop.watch(self, self.interest | WRITE)
        else:
            self._after_send()

    def _after_send(self) -> None:
        if self.phase is Phase.BODY:  # it was `100 Continue`
            self._loop.watch(self, READ)
        elif self.phase is Phase.STREAM:
            self._due_in(self._loop.limits.heartbeat_s)
            self._loop.watch(self, READ)
        elif self._then is Phase.CLOSED:
            self.close()
        elif self._then is Phase.LINGER:
            self._linger()
        elif self._then is Phase.STREAM:
            self._begin_stream()
        else:
            self._begin_next()

    def _begin_next(self) -> None:
        loop, held = self._loop, self._parser.buffered
        if self._is_half_closed and not held:
            self.close()
            return
        self.phase = Phase.HEAD
        self.may_go_at = loop.now
        self._due_in(loop.limits.head_s if held else loop.limits.idle_s)
        if held:
            loop.again(self)
        loop.watch(self, 0 if self._is_half_closed else READ)

    def _begin_stream(self) -> None:
        self.phase = Phase.STREAM
        self._due_in(self._loop.limits.heartbeat_s)
        if self._stream is None or self._is_half_closed:
            self.close()
            return
        self._loop.watch(self, READ)
        self._loop.streams(self, self._stream)

    def _linger(self) -> None:
        """Closing with unread bytes would reset the connection and lose the answer on its way."""
        self.phase = Phase.LINGER
        self._parser = RequestParser(self._loop.limits.head)  # lets go of what was read
        self._account()
        self._due_in(self._loop.limits.linger_s)
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._loop.watch(self, READ)

    def _due_in(self, seconds: float) -> None:
        self.deadline = self._loop.now + seconds
        self._loop.expect(self.deadline)

    def _account(self) -> None:
        held = self._parser.buffered
        if held != self._held and self.phase is not Phase.CLOSED:
            self._loop.buffered += held - self._held
            self._held = held


class _Slow(PodupError):
    """RFC 9110, 15.5.9."""

    status = 408
