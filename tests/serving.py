"""A real server on loopback in a thread, with limits short enough for tests, and a client that is not polite.

A `conftest.py` takes the fixtures with `from serving import serve`.
"""

import dataclasses
import os
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from podup.api import login
from podup.clock import SystemClock
from podup.server.auth import Auth, AuthRules
from podup.server.dispatch import Site
from podup.server.failures import Failures
from podup.server.limits import ServerLimits
from podup.server.listeners import listen_tcp
from podup.server.request import Principal
from podup.server.router import Route, Router
from podup.server.server import Server
from podup.server.sessions import Sessions, hash_token

QUICK = ServerLimits(
    connections=50,
    head_s=0.2,
    transfer_s=0.2,
    idle_s=0.4,
    grace_s=0.1,
    linger_s=0.2,
    sweep_s=0.05,
    stop_s=2.0,
)
LONG_TOKEN = "podup_a-token-made-by-the-program-itself"
TOKENS = {
    hash_token(LONG_TOKEN): Principal("ci", "token", frozenset(("admin",))),
    hash_token("good-token"): Principal("operator", "token", frozenset(("admin",))),
    hash_token("narrow-token"): Principal("prometheus", "token", frozenset(("metrics",))),
}


class Wire:
    """A client that says exactly what it is told to."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._file = self.sock.makefile("rb")

    def send(self, *lines: str, body: bytes = b"") -> None:
        self.sock.sendall("\r\n".join((*lines, "", "")).encode("latin-1") + body)

    def get(self, path: str, *lines: str) -> "Answer":
        self.send(f"GET {path} HTTP/1.1", "Host: localhost", *lines)
        return self.read()

    def post(self, path: str, body: bytes, *lines: str) -> "Answer":
        self.send(
            f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *lines, body=body
        )
        return self.read()

    def read(self, *, bodyless: bool = False) -> "Answer":
        status = self._file.readline()
        headers = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if bodyless else int(headers.get("content-length", 0))
        return Answer(int(status.split()[1]) if status else 0, headers, self._file.read(length))

    def read_line(self) -> bytes:
        return self._file.readline()

    def is_closed(self) -> bool:
        """Wait for the server's end of the connection."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Running:
    """A server that serves in a thread."""

    def __init__(self, routes: tuple[Route, ...], limits: ServerLimits, rules: AuthRules, **site) -> None:
        clock = SystemClock()
        self.auth = Auth(
            rules,
            token_lookup=TOKENS.get,
            sessions=Sessions(clock, os.urandom),
            failures=Failures(clock),
        )
        self.done: list[tuple[str, int]] = []
        self.site = Site(
            Router((*routes, *login.routes(self.auth))),
            self.auth,
            clock,
            random_bytes=os.urandom,
            on_done=lambda request, response, _s: self.done.append((request.path, response.status)),
            **site,
        )
        self.server = Server(self.site, [listen_tcp("127.0.0.1:0")], clock, limits=limits)
        self.port = self.server.port
        self._wires: list[Wire] = []
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def wire(self) -> Wire:
        self._wires.append(Wire(self.port))
        return self._wires[-1]

    def stop(self) -> None:
        for wire in self._wires:
            wire.close()
        self.server.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()
        self.server.server_close()


Serve = Callable[..., Running]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[Running] = []

    def start(
        *routes: Route, limits: ServerLimits = QUICK, rules: AuthRules | None = None, **site
    ) -> Running:
        running.append(Running(routes, limits, rules or AuthRules(), **site))
        return running[-1]

    yield start
    for server in running:
        server.stop()
