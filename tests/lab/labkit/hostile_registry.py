"""A registry that shows what the lab's has, but answers badly for the repositories a test names."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from host.containers import trust_plain_http

from labkit.registries import lab_registry

_UNKNOWN = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
_DENIED = b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'
# how it answers for manifests: status, headers, body
MANIFESTS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "gone": (404, {"Content-Type": "application/json"}, _UNKNOWN),
    "limited": (429, {"Retry-After": "60"}, b""),
    "denied": (403, {"Content-Type": "application/json"}, _DENIED),
    "broken": (500, {}, b"the disk is on fire"),
    "portal": (200, {"Content-Type": "text/html"}, b"<html>please log in to this network</html>"),
}
TORN_BLOBS = "torn"  # the manifest is the true one, and each layer ends in its middle


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        how = self.server.behaviours.get("/".join(self.path.split("/")[2:4]), "")  # type: ignore[attr-defined]
        if how in MANIFESTS and "/manifests/" in self.path:
            self._send(*MANIFESTS[how])
            return
        inner = http.client.HTTPConnection(lab_registry(), timeout=10)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            inner.request(self.command, self.path, headers=kept)
            answer = inner.getresponse()
            self._send(answer.status, dict(answer.getheaders()), answer.read(), torn=how == TORN_BLOBS)
        finally:
            inner.close()

    do_HEAD = do_GET

    def _send(self, status: int, headers: dict[str, str], body: bytes, *, torn: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command == "HEAD":
            return
        torn = torn and "/blobs/" in self.path and status == 200
        self.wfile.write(body[: len(body) // 2] if torn else body)
        self.close_connection = torn

    def log_message(self, *_: object) -> None:
        """Nothing: the tests see the answers."""


@contextmanager
def hostile_registry() -> Iterator[tuple[str, dict[str, str]]]:
    """Its address, and how it behaves for each repository; those not named are served as they are."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    behaviours: dict[str, str] = {}
    server.behaviours = behaviours  # type: ignore[attr-defined]
    address = f"127.0.0.1:{server.server_port}"
    trust_plain_http(Path.home(), address)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address, behaviours
    finally:
        server.shutdown()
        server.server_close()
