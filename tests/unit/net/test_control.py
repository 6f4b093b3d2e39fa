"""Asking a daemon over its control socket."""

import socket
import threading
from pathlib import Path

from podup.net.control import ControlClient

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def asked(tmp_path: Path, path: str, query: dict[str, str]) -> str:
    """Return the request line that goes over the socket."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "daemon.sock"))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(_ANSWER)

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        assert ControlClient(tmp_path / "daemon.sock").call("GET", path, query=query) == {}
        answering.join(timeout=10)
    return heard[0].split(b"\r\n")[0].decode()


def test_names_are_escaped_as_a_url_wants_it(tmp_path: Path) -> None:
    line = asked(tmp_path, r"/api/manual/services/od\x2dd@1:a", {"refresh": "1 &"})
    assert line == "GET /api/manual/services/od%5Cx2dd@1:a?refresh=1+%26 HTTP/1.1"
