"""Out of descriptors the server waits without spinning, and goes on when there are some again."""

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from podup.server.limits import ServerLimits
from podup.server.response import answer
from podup.server.router import Route, Who

LIMITS = ServerLimits(sweep_s=0.1, head_s=30, grace_s=0.5)
REQUEST = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Leave this process `count` more descriptors than it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def occupy() -> list[int]:
    """Fill the gaps below the highest descriptor."""
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    taken = [os.open("/dev/null", os.O_RDONLY)]
    while taken[-1] < highest:
        taken.append(os.open("/dev/null", os.O_RDONLY))
    return taken


def test_idle_connections_give_way_so_that_everybody_is_served(serve):
    quick = Route("GET", "/a", "Answers.", Who.OPEN, in_loop=True, handler=lambda request: answer({}))
    running = serve(quick, limits=LIMITS)
    clients = [socket.socket() for _ in range(30)]
    gaps = occupy()
    with descriptors_left(4):
        for client in clients:
            client.connect(("127.0.0.1", running.port))
            client.send(REQUEST)
        for client in clients:
            client.settimeout(5)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
    for number in gaps:
        os.close(number)
    for client in clients:
        client.close()


def test_with_nothing_to_close_it_pauses_and_recovers(serve):
    gate = threading.Event()
    slow = Route("GET", "/a", "Blocks.", Who.OPEN, handler=lambda r: answer({"": gate.wait(10)}))
    running = serve(slow, limits=LIMITS)
    clients = [socket.socket() for _ in range(8)]
    gaps = occupy()
    with descriptors_left(3):
        for client in clients:
            client.connect(("127.0.0.1", running.port))
            client.send(REQUEST)
        time.sleep(0.3)
        before, busy = running.server.loop.wakes, time.process_time()
        time.sleep(0.6)
        assert running.server.loop.wakes - before < 30
        assert time.process_time() - busy < 0.2
    gate.set()
    for client in clients:
        client.settimeout(5)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.close()
    for number in gaps:
        os.close(number)
