"""Talking to a running daemon over its control socket: the same routes, without a token.

The socket is 0600 in the user's runtime directory, so whoever can connect may do everything.
"""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from podup.errors import PodupError, Unavailable, error_of

DAEMON_AWAY = "daemon-away"
_ANSWER_TIMEOUT_S = 120.0
_STREAM_TIMEOUT_S = 60.0
_LINE_BYTES = 4 * 1024 * 1024


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def is_answering(path: Path) -> bool:
    """Return whether somebody accepts connections at this socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


class ControlClient:
    """The operator's API of one daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """Return the JSON of the answer; raises the PodupError a problem answer stands for."""
        connection = _SocketConnection(self._path, _ANSWER_TIMEOUT_S)
        try:
            response = self._send(connection, method, _target(path, query), body)
            return read_answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise _away(self._path, error) from error
        finally:
            connection.close()

    def events(self, path: str, query: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        """Yield (event, data) of a server-sent stream until its `end`, or the daemon's. Raises PodupError."""
        connection = _SocketConnection(self._path, _STREAM_TIMEOUT_S)
        try:
            response = self._send(connection, "GET", _target(path, query), None)
            if response.status != 200:
                read_answer(response.status, response.read())
            yield from _read_events(response)
        except (OSError, http.client.HTTPException) as error:
            raise _away(self._path, error) from error
        finally:
            connection.close()

    def _send(
        self, connection: _SocketConnection, method: str, target: str, body: Any
    ) -> http.client.HTTPResponse:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        connection.request(method, target, body=data, headers=headers)
        return connection.getresponse()


def read_answer(status: int, body: bytes) -> Any:
    """Return the JSON of an answer, or raise the error it tells of."""
    try:
        value = json.loads(body) if body else {}
    except ValueError as error:
        raise PodupError("bad-answer", f"the answer with status {status} is not JSON") from error
    if status < 400:
        return value
    problem = value.get("error", {}) if isinstance(value, dict) else {}
    message = problem.get("message", f"status {status}")
    raise error_of(status, problem.get("code", "failed"), message, problem.get("hint", ""))


def _read_events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    event, data = "message", ""
    for raw in iter(lambda: response.readline(_LINE_BYTES), b""):
        line = raw.decode().rstrip("\r\n")
        if line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            yield event, json.loads(data)
            if event == "end":
                return
            event, data = "message", ""


def _target(path: str, query: Mapping[str, str] | None) -> str:
    escaped = quote(path, safe="/@:")
    return f"{escaped}?{urlencode(query)}" if query else escaped


def _away(path: Path, error: Exception) -> Unavailable:
    message = f"the daemon does not answer at {path}: {error}"
    return Unavailable(DAEMON_AWAY, message, "is it still running?")
