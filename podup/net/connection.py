"""One HTTP connection that ends at a deadline, whatever the other side does.

A socket's timeout starts anew with every byte that comes, so a server that sends one byte a second would
hold a client for ever. Here each read, write, connection attempt and TLS handshake gets what is left of
the one deadline, and nothing once it has passed.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable
from typing import Any


class Deadline:
    """A moment on the monotonic clock; `left_s` raises TimeoutError once it has passed."""

    def __init__(self, monotonic: Callable[[], float], seconds: float) -> None:
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def left_s(self) -> float:
        left = self._end - self._monotonic()
        if left <= 0:
            raise TimeoutError("the time for this request is up")
        return left


class _Reader(io.RawIOBase):
    """The reading side of a socket under a deadline; keeps it open after http.client has closed its own."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left_s())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Socket:
    """What http.client wants of a socket to read a response from it."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline), 64 * 1024)


class Connection(http.client.HTTPConnection):
    """A connection to `host:port`, with TLS when `tls` is given."""

    def __init__(self, host: str, port: int, deadline: Deadline, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        self._deadline = deadline
        self._tls = tls
        self._name = host
        self.response_class = self._read_response  # type: ignore[assignment]

    def reach_through(self, host: str, port: int, authorization: str) -> None:
        """Let the connection be a proxy's, and ask it for a tunnel to `host:port`."""
        self._name = host
        self.set_tunnel(host, port, {"Proxy-Authorization": authorization} if authorization else None)

    def connect(self) -> None:
        # Debian's resolver gives up by itself after some seconds; nothing here can interrupt it.
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.sock = self._connect_any(addresses)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tunnel_host:  # type: ignore[attr-defined]
            self._tunnel()  # type: ignore[attr-defined]
        if self._tls is not None:
            self.sock.settimeout(self._deadline.left_s())
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self._deadline.left_s())
        super().send(data)

    def _connect_any(self, addresses: list[Any]) -> socket.socket:
        failure: OSError = OSError(f"{self.host} has no address")
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._deadline.left_s())
                sock.connect(address)
                return sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure

    def _read_response(self, sock: socket.socket, *args: Any, **options: Any) -> http.client.HTTPResponse:
        wrapped: Any = _Socket(sock, self._deadline)
        return http.client.HTTPResponse(wrapped, *args, **options)
