"""What the daemon takes when nobody asks, when many watch, and when thousands misbehave.

    python3 bench/crowd.py [--seconds 30] [--program FILE.pyz]

Prints a line a promise: memory and wake-ups at rest, 200 watchers of one task, 300 MB nobody signed, 800 slow
senders with 2,000 silent connections, and no descriptors left. Exit 1 when one is not kept.
"""

import argparse
import contextlib
import http.client
import json
import resource
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load import build_requests
from servers import Ours, processor_s, resident_mb

SLOW, SILENT, WATCHERS = 800, 2000, 200
_DEADLINES_S = 45.0  # a silent connection has 10 s, a slow body 20 s, deadlines are looked at every 2 s
_MEGABYTE = 1 << 20
_HUGE = 300 * _MEGABYTE


class Findings:
    """Prints what was measured beside what was promised."""

    def __init__(self) -> None:
        self.is_good = True

    def note(self, what: str, value: float, most: float, unit: str) -> None:
        kept = value <= most
        self.is_good &= kept
        print(f"{'ok ' if kept else 'BAD'} {what:58} {value:9.2f} {unit:4} (at most {most:g})", flush=True)


def wakes(pid: int) -> int:
    """Return how often the threads of a process have waited for something until now (proc(5))."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def at_rest(server: Ours, seconds: float, found: Findings) -> None:
    """Wait until the first looks at the host are over, then count."""
    time.sleep(10)
    before = wakes(server.pid)
    time.sleep(seconds)
    found.note("wake-ups at rest", (wakes(server.pid) - before) / seconds, 0.5, "/s")
    found.note("resident at rest after the first start, which compiles", resident_mb(server.pid), 35, "MB")
    server.end()
    server.start()
    time.sleep(3)
    found.note("resident at rest after a start", resident_mb(server.pid), 35, "MB")


def webhook(server: Ours) -> tuple[float, str]:
    """Send one good webhook on a connection of its own; return the seconds it took, and its answer."""
    (request,) = build_requests(server.path, 1, is_bad=False, is_new_each=True)
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sock.sendall(request)
        answer = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    if not answer.startswith("HTTP/1.1 202"):
        raise RuntimeError(f"a good webhook was answered: {answer[:200]!r}")
    return time.perf_counter() - began, answer


def watched(server: Ours, found: Findings) -> None:
    """Let 200 clients watch one task."""
    _, answer = webhook(server)
    task_id = json.loads(answer.partition("\r\n\r\n")[2])["task_id"]
    may = {"Authorization": f"Bearer {(server.state / 'admin-token').read_text().strip()}"}
    time.sleep(1)
    before = resident_mb(server.pid)
    watchers = []
    for _ in range(WATCHERS):
        watcher = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        watcher.request("GET", f"/sse/task-logs?task_id={task_id}", headers=may)
        if watcher.getresponse().status != 200:
            raise RuntimeError("a watcher was refused")
        watchers.append(watcher)
    time.sleep(1)
    found.note(f"{WATCHERS} watchers of one task", resident_mb(server.pid) - before, 5, "MB")
    for watcher in watchers:
        watcher.close()


def unsigned(server: Ours, found: Findings) -> None:
    """Send 300 MB nobody signed, until the server answers or closes."""
    piece = bytes(_MEGABYTE // 4)
    head = f"POST {server.path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {_HUGE}\r\n\r\n".encode()
    before, sent = resident_mb(server.pid), 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(head)
        with contextlib.suppress(OSError):
            while sent < _HUGE:
                sock.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    if sock.recv(4096):
                        break
                sock.settimeout(10)
                sock.sendall(piece)
                sent += len(piece)
    found.note("sent of 300 MB before it was refused", sent / _MEGABYTE, 1, "MB")
    found.note("memory that took", resident_mb(server.pid) - before, 5, "MB")


class Crowd:
    """Clients that never finish; `open` are those the server has not closed yet."""

    def __init__(self, server: Ours) -> None:
        body = f"POST {server.path} HTTP/1.1\r\nHost: bench\r\nContent-Length: 5000\r\n\r\n".encode()
        self._server = server
        self._slow = {self._connect(body) for _ in range(SLOW)}
        self.open = {*self._slow, *(self._connect(b"") for _ in range(SILENT))}

    def drip(self, until_s: float) -> None:
        """Send a byte a second from every slow one, until all were closed or the time is over."""
        while self.open and time.monotonic() < until_s:
            for sock in list(self.open):
                try:
                    if sock in self._slow:
                        sock.send(b"x")
                    if not sock.recv(4096, socket.MSG_DONTWAIT):
                        raise ConnectionResetError
                except BlockingIOError:
                    continue
                except OSError:
                    self.open.discard(sock)
                    sock.close()
            time.sleep(0.5)

    def _connect(self, first: bytes) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._server.port), timeout=10)
        sock.sendall(first)
        return sock


def crowded(server: Ours, found: Findings) -> None:
    """Ask for a good webhook again and again while the crowd is there."""
    crowd = Crowd(server)
    began = time.monotonic()
    thread = threading.Thread(target=crowd.drip, args=(began + _DEADLINES_S,))
    thread.start()
    slowest = 0.0
    while thread.is_alive():
        slowest = max(slowest, webhook(server)[0])
        time.sleep(0.25)
    found.note("slowest good webhook beside them", slowest * 1000, 100, "ms")
    found.note(f"left of {SLOW} slow and {SILENT} silent after their deadlines", len(crowd.open), 0, "")
    found.note("time until the last had been closed", time.monotonic() - began, _DEADLINES_S, "s")


def exhausted(server: Ours, found: Findings) -> None:
    """Leave the daemon no descriptor, with clients waiting; then give them back."""
    limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    used = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used + 20, limits[1]))
    waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(60)]
    time.sleep(1)
    before = processor_s(server.pid)
    time.sleep(4)
    found.note("processor time without descriptors", (processor_s(server.pid) - before) / 4 * 100, 5, "%")
    for sock in waiting:
        sock.close()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    began = time.monotonic()
    webhook(server)
    found.note("until it serves again", time.monotonic() - began, 5, "s")


def main() -> int:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="how long wake-ups are counted")
    parser.add_argument("--program", default="", help="a built file instead of the checkout")
    args = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    program: Sequence[str] = (args.program,) if args.program else ("-m", "podup")
    found = Findings()
    steps: tuple[Callable[[Ours, Findings], None], ...] = (watched, unsigned, crowded, exhausted)
    with tempfile.TemporaryDirectory() as directory:
        server = Ours(Path(directory), program=program)
        try:
            at_rest(server, args.seconds, found)
            for step in steps:
                step(server, found)
        finally:
            server.stop()
    return 0 if found.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
