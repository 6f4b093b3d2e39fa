"""Deliveries that were acknowledged and then lost, and requests that failed at a restart: both have to be 0.

    python3 bench/losses.py [--kills 20] [--restarts 10]

Kills: the daemon is ended by TERM and by KILL in turn, at a random moment under load, and started again;
afterwards every delivery that was answered 202 has to be in the database. Restarts: the socket is kept open
by another process, as systemd does, and a request that meets no daemon waits for the next one.
"""

import argparse
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load import build_requests
from servers import Ours

CLIENTS = 8
_ANSWER_S = 30.0


class Senders:
    """Clients that send one webhook after the other, each on a connection of its own, until told to stop."""

    def __init__(self, server: Ours) -> None:
        self.acknowledged: set[str] = set()
        self.failed: list[str] = []
        self._server = server
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End when every request has its answer."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            (request,) = build_requests(self._server.path, 1, is_bad=False, is_new_each=True)
            delivery = request.partition(b"X-GitHub-Delivery: ")[2].partition(b"\r\n")[0].decode()
            try:
                status = send(self._server.port, request)
            except OSError as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                time.sleep(0.02)
                continue
            if status == 202:
                self.acknowledged.add(delivery)
            else:
                self.failed.append(f"answered {status}")


def send(port: int, request: bytes) -> int:
    """Send one request and return its status. Raises OSError, also for an answer that is cut off."""
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S) as sock:
        sock.sendall(request)
        received = b""
        while data := sock.recv(65536):
            received += data
    if not received.startswith(b"HTTP/1.1 ") or b"\r\n\r\n" not in received:
        raise ConnectionError("the answer was cut off")
    return int(received[9:12])


def kill(server: Ours, kills: int) -> tuple[int, int]:
    """Return how many deliveries were acknowledged, and how many of them are lost."""
    senders = Senders(server)
    senders.start()
    for number in range(kills):
        time.sleep(random.uniform(0.1, 0.8))
        server.end(signal.SIGKILL if number % 2 else signal.SIGTERM)
        server.start()
    senders.stop()
    server.stop()
    return len(senders.acknowledged), len(senders.acknowledged - server.delivery_ids())


def restart(server: Ours, restarts: int) -> tuple[int, list[str]]:
    """Return how many requests were answered 202, and what went wrong with the others."""
    senders = Senders(server)
    senders.start()
    for _ in range(restarts):
        time.sleep(random.uniform(0.1, 0.8))
        server.end()
        server.start()
    senders.stop()
    server.stop()
    lost = senders.acknowledged - server.delivery_ids()
    return len(senders.acknowledged), senders.failed + [f"lost: {delivery}" for delivery in lost]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=10)
    args = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="podup-bench-"))
    try:
        (directory / "kills").mkdir()
        acknowledged, lost = kill(Ours(directory / "kills"), args.kills)
        print(f"{args.kills} kills: {acknowledged} acknowledged, {lost} lost")
        (directory / "restarts").mkdir()
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            answered, failed = restart(Ours(directory / "restarts", listener=listener), args.restarts)
        print(f"{args.restarts} restarts: {answered} answered, {len(failed)} failed")
        for line in failed[:5]:
            print(f"    {line}")
    finally:
        shutil.rmtree(directory)
    return 1 if lost or failed else 0


if __name__ == "__main__":
    sys.exit(main())
