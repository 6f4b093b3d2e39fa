"""The HTTP server: a loop that owns the connections, and the bytes of the answers.

How it is put together and used:

    site = Site(Router(routes), auth, clock, random_bytes=os.urandom, checks=(...), on_done=...)
    server = Server(site, [listen_tcp("0.0.0.0:25111"), listen_control(path)], clock)
    signal.signal(SIGTERM, lambda *_: server.stop())
    server.serve_forever()      # in this thread until stop(); at most ServerLimits.stop_s longer
    server.server_close()

`inherit(count)` gives the listeners of LISTEN_FDS; `serve_one` answers the one connection on standard input
and output. A route's `handler` runs in a pool of threads, its `batch` in the loop for all requests of a turn,
so it must be quick: one commit. Streams: a handler returns `Response(stream=hub.subscribe(...))`. From other
threads only `stop` and `loop.call` may be called.
The one parser is `core.http1`, and nothing of the standard library's `http.server` is used: two parsers that
disagree are a hole, and its modules are a tenth of the start. An answer leaves in one send.
"""

import os
import socket
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

from podup.clock import Clock
from podup.core.http1 import http_date
from podup.server.dispatch import Site
from podup.server.limits import ServerLimits
from podup.server.listeners import Listener
from podup.server.loop import ServerLoop
from podup.server.request import Peer, Request
from podup.server.response import Response, header_lines

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_PIPE_BYTES = 64 * 1024
_WITHOUT_BODY = (204, 304)


class Server:
    """Serves a site on listeners; see the module."""

    def __init__(
        self, site: Site, listeners: Sequence[Listener], clock: Clock, *, limits: ServerLimits | None = None
    ) -> None:
        self._clock = clock
        self._date = (0, "")
        self._listeners = tuple(listeners)
        self.loop = ServerLoop(site, listeners, clock, limits=limits or ServerLimits(), encode=self.encode)

    @property
    def port(self) -> int:
        """The TCP port of the first listener."""
        return int(self._listeners[0].sock.getsockname()[1])

    def serve_forever(self) -> None:
        """Serve until `stop`."""
        self.loop.run()

    def stop(self) -> None:
        """Stop accepting, answer what was accepted, then return from `serve_forever`."""
        self.loop.stop()

    def server_close(self) -> None:
        """Close the listeners that are ours."""
        for listener in self._listeners:
            if not listener.is_inherited:
                listener.sock.close()

    def encode(self, request: Request, response: Response, keeps_alive: bool) -> bytes:
        """Return the bytes of an answer: status line, headers and body."""
        second = int(self._clock.now())
        if second != self._date[0]:
            self._date = (second, http_date(second))
        status = response.status
        has_length = response.stream is None and status not in _WITHOUT_BODY
        length = f"Content-Length: {len(response.body)}\r\n" if has_length else ""
        closes = "" if keeps_alive else "Connection: close\r\n"
        first = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\nDate: {self._date[1]}\r\n"
        lines = f"{first}{header_lines(response, request.request_id)}{length}{closes}\r\n"
        head = lines.encode("latin-1")
        return head if request.method == "HEAD" else head + response.body


def serve_one(
    site: Site, clock: Clock, *, stdin: int = 0, stdout: int = 1, limits: ServerLimits | None = None
) -> None:
    """Answer the connection on these descriptors until it ends: an accepted socket, or a pair of pipes.

    The descriptors stay open, but the peer is told at once that there is nothing more to come.
    """
    server = Server(site, (), clock, limits=limits)
    if stat.S_ISSOCK(os.fstat(stdin).st_mode):
        connection = socket.socket(fileno=os.dup(stdin))
        server.loop.adopt(connection, _peer_of(connection))
        server.serve_forever()
        with socket.socket(fileno=os.dup(stdin)) as still_open, suppress(OSError):  # the peer may have gone
            still_open.shutdown(socket.SHUT_RDWR)
        return
    ours, theirs = socket.socketpair()
    server.loop.adopt(theirs, Peer("stdin"))
    threading.Thread(target=_copy_in, args=(stdin, ours), daemon=True).start()
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    _copy_out(ours, stdout)
    ours.close()
    serving.join()


def _copy_in(stdin: int, ours: socket.socket) -> None:
    try:
        while data := os.read(stdin, _PIPE_BYTES):
            ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the connection was closed first; nobody is left to tell


def _copy_out(ours: socket.socket, stdout: int) -> None:
    try:
        while data := ours.recv(_PIPE_BYTES):
            while data:
                data = data[os.write(stdout, data) :]
    except OSError:
        return  # nobody reads any more: closing our end ends the connection


def _peer_of(connection: socket.socket) -> Peer:
    name = connection.getpeername()
    return Peer(str(name[0]) if isinstance(name, tuple) else "unix")
