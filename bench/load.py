"""A load generator: one process, one selector, requests made before the clock starts.

    python3 bench/load.py --port 9000 --path /hooks/update --clients 64 --requests 3000 --mode keep

Prints one JSON object: requests a second, p50 and p99 in milliseconds, and how often each status came. Every
body is different: 10 KB of a GitHub package event with a delivery id of its own, signed unless `--bad`.
"""

import argparse
import hashlib
import hmac
import json
import selectors
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

SECRET = "bench-secret"
IMAGE = "ghcr.io/example/web"
UNIT = "web.service"
BODY_BYTES = 10_000


@dataclass(slots=True)
class Result:
    """What was seen."""

    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


class Client:
    """One client: sends its next request when the answer to the last is complete."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._sock: socket.socket | None = None
        self._received = b""
        self._started = 0.0

    def send_next(self) -> None:
        request = next(self._load.requests, None)
        if request is None:
            self.close()
            return
        self._started = time.perf_counter()
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._load.port))
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._load.selector.register(self._sock, selectors.EVENT_READ, self)
        self._received = b""
        self._sock.sendall(request)

    def on_readable(self) -> None:
        if self._sock is None:
            return
        data = self._sock.recv(65536)
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _content_length(head) if end else None
        if data and (length is None or len(body) < length):
            return
        self._load.result.latencies_s.append(time.perf_counter() - self._started)
        self._load.result.statuses[head[9:12].decode() or "closed"] += 1
        if self._load.is_new_each or not data:
            self.close()
        self.send_next()

    def close(self) -> None:
        if self._sock is not None:
            self._load.selector.unregister(self._sock)
            self._sock.close()
            self._sock = None


class Load:
    """All clients of one run."""

    def __init__(self, *, port: int, requests: list[bytes], is_new_each: bool) -> None:
        self.port = port
        self.requests: Iterator[bytes] = iter(requests)
        self.is_new_each = is_new_each
        self.selector = selectors.DefaultSelector()
        self.result = Result()

    def run(self, clients: int) -> float:
        """Send everything; return the seconds it took."""
        started = time.perf_counter()
        for _ in range(clients):
            Client(self).send_next()
        while self.selector.get_map():
            for key, _ in self.selector.select(10):
                key.data.on_readable()
        return time.perf_counter() - started


def build_requests(path: str, count: int, *, is_bad: bool, is_new_each: bool) -> list[bytes]:
    """Return signed webhooks, each with a body and a delivery id of its own."""
    return [_request(path, is_bad=is_bad, is_new_each=is_new_each) for _ in range(count)]


def _request(path: str, *, is_bad: bool, is_new_each: bool) -> bytes:
    delivery = str(uuid.uuid4())
    owner, name = IMAGE.split("/")[1:]
    digest = "sha256:" + hashlib.sha256(delivery.encode()).hexdigest()
    package = {
        "name": name,
        "package_type": "CONTAINER",
        "owner": {"login": owner},
        "package_version": {
            "version": digest,
            "package_url": f"{IMAGE}:latest",
            "container_metadata": {"tag": {"name": "latest", "digest": digest}},
        },
        "registry": {"url": "https://ghcr.io"},
    }
    body = {"action": "published", "package": package, "filler": ""}
    body["filler"] = "x" * (BODY_BYTES - len(json.dumps(body)))
    raw = json.dumps(body).encode()
    secret = "another" if is_bad else SECRET
    signature = hmac.new(secret.encode(), raw, "sha256").hexdigest()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: GitHub-Hookshot/0000000",
        "Accept: */*",
        "Content-Type: application/json",
        "X-GitHub-Event: package",
        f"X-GitHub-Delivery: {delivery}",
        f"X-Hub-Signature-256: sha256={signature}",
        f"Content-Length: {len(raw)}",
        *(["Connection: close"] if is_new_each else []),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + raw


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--mode", choices=("keep", "new"), default="keep")
    parser.add_argument("--bad", action="store_true")
    args = parser.parse_args()
    is_new_each = args.mode == "new"
    requests = build_requests(args.path, args.requests, is_bad=args.bad, is_new_each=is_new_each)
    load = Load(port=args.port, requests=requests, is_new_each=is_new_each)
    seconds = load.run(args.clients)
    times = sorted(load.result.latencies_s)
    found = {
        "rate": round(len(times) / seconds, 1),
        "p50_ms": round(times[len(times) // 2] * 1000, 2),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 2),
        "statuses": dict(load.result.statuses),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
