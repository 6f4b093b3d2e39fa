"""A server on loopback that answers with the very bytes a test wants, good or hostile."""

import socket
import threading
from collections.abc import Callable, Iterable

_TLS_HELLO = b"\x16\x03"


class Peer:
    """Answers each connection with what `script(request)` yields; a float is a pause in seconds.

    `requests` are the heads that came, decoded, in order; `bodies` what came behind them.
    """

    def __init__(self, script: Callable[[str], Iterable[bytes | float]]) -> None:
        self._script = script
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Peer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                head, body = _read(connection)
                self.requests.append(head)
                self.bodies.append(body)
                for piece in self._script(head):
                    if isinstance(piece, float):
                        self._over.wait(piece)
                    else:
                        connection.sendall(piece)
            except OSError:
                return


def _read(connection: socket.socket) -> tuple[str, bytes]:
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
        if data.startswith(_TLS_HELLO):
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            raise OSError("this is a server without TLS")
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    told = [line for line in text.lower().split("\r\n") if line.startswith("content-length:")]
    length = int(told[0].split(":")[1]) if told else 0
    while len(body) < length and (more := connection.recv(65536)):
        body += more
    return text, body


def reply(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    """Return a whole response; `Content_Type="x"` is the header Content-Type."""
    fields = {"Content_Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1") + body
