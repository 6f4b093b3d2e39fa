"""Clients that are slow, silent, half gone or too many cost a socket and a deadline, nothing else."""

import contextlib
import dataclasses
import resource
import socket
import threading
import time

import pytest
from serving import QUICK, Wire

from podup.server.limits import ServerLimits
from podup.server.response import Response, answer
from podup.server.router import Route, Who

HELLO = Route("GET", "/hello", "Says hello.", Who.OPEN, handler=lambda request: answer({}))
HOOK = Route("POST", "/hook", "Takes.", Who.SIGNATURE, batch=lambda turn: [answer({}, 202) for _ in turn])


def drip(wire: Wire, data: bytes) -> float:
    """Send a byte every 20 ms until the server has had enough; return how long that took."""
    started = time.monotonic()
    try:
        for number in data:
            wire.sock.sendall(bytes((number,)))
            time.sleep(0.02)
    except OSError:
        pass  # it closed on us, which is what is being tested
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("at_once", "dripped"),
    [
        (b"", b"GET /hello HTTP/1.1\r\nX-A: " + b"a" * 60),
        (b"POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n", b"x" * 60),
    ],
    ids=["head", "body"],
)
def test_a_dripping_request_is_ended_with_408_while_others_are_served(serve, at_once, dripped):
    running = serve(HELLO, HOOK)
    slow = running.wire()
    slow.sock.sendall(at_once)
    dripping = threading.Thread(target=drip, args=(slow, dripped), daemon=True)
    dripping.start()
    assert running.wire().get("/hello").status == 200
    got = slow.read()
    assert (got.status, got.headers["connection"]) == (408, "close")
    dripping.join(30)
    assert not dripping.is_alive(), "it drips on after the end"
    assert slow.is_closed()


def test_a_silent_connection_is_closed_without_a_word(serve):
    started = time.monotonic()
    assert serve(HELLO).wire().is_closed()
    assert time.monotonic() - started < 3


def test_an_idle_kept_connection_is_closed_later(serve):
    wire = serve(HELLO).wire()
    wire.get("/hello")
    started = time.monotonic()
    assert wire.is_closed()
    assert QUICK.idle_s / 2 < time.monotonic() - started < 4


def test_a_reader_that_does_not_read_is_cut_off(serve):
    much = Response(200, (), b"x" * (32 << 20))
    big = Route("GET", "/big", "Much.", Who.OPEN, handler=lambda request: much)
    running = serve(big, HELLO, limits=dataclasses.replace(QUICK, slowest=1 << 30))
    wire = running.wire()
    wire.send("GET /big HTTP/1.1", "Host: a")
    time.sleep(0.5)
    read = 0
    while data := wire.sock.recv(1 << 20):
        read += len(data)
    assert read < 32 << 20
    assert running.wire().get("/hello").status == 200


def test_a_slow_but_steady_reader_gets_all(serve):
    size = 8 << 20
    big = Route("GET", "/big", "Much.", Who.OPEN, handler=lambda request: Response(200, (), b"x" * size))
    wire = serve(big, limits=dataclasses.replace(QUICK, transfer_s=5)).wire()
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    assert len(wire.get("/big").body) == size


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 5000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("the hard limit of descriptors is too low")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_thousand_idle_connections_cost_no_processor_time(serve, many_descriptors):
    running = serve(HELLO, limits=ServerLimits())
    idle = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(2000)]
    wire = running.wire()
    wire.get("/hello")
    before, busy = running.server.loop.wakes, time.process_time()
    time.sleep(1.0)
    assert running.server.loop.wakes - before <= 1
    assert time.process_time() - busy < 0.2
    started = time.monotonic()
    assert wire.get("/hello").status == 200
    assert time.monotonic() - started < 1
    for sock in idle:
        sock.close()


def test_when_full_those_that_wait_longest_make_room(serve):
    running = serve(HELLO, limits=dataclasses.replace(QUICK, connections=20, head_s=30, idle_s=30))
    idle = [running.wire() for _ in range(40)]
    assert running.wire().get("/hello").status == 200
    assert idle[0].is_closed()


def test_incomplete_requests_share_a_bounded_memory(serve):
    row = dataclasses.replace(HOOK, body_limit=8 << 20)
    running = serve(row, HELLO, limits=ServerLimits(buffered=4 << 20, sweep_s=0.05, linger_s=0.2))
    wires = [running.wire() for _ in range(4)]
    statuses = []
    for wire in wires:
        try:
            wire.send("POST /hook HTTP/1.1", "Host: a", "Content-Length: 8000000", body=b"x" * 3_000_000)
        except OSError:
            statuses.append("closed")  # refused while it was still sending
    assert running.wire().get("/hello").status == 200
    assert running.server.loop.buffered <= 6 << 20


def test_many_small_incomplete_requests_share_it_too(serve):
    limits = ServerLimits(buffered=1 << 20, connections=100, sweep_s=0.05, linger_s=0.2)
    running = serve(dataclasses.replace(HOOK, body_limit=1 << 20), HELLO, limits=limits)
    wires = [running.wire() for _ in range(30)]
    for wire in wires:
        with contextlib.suppress(OSError):  # refused while it was still sending
            wire.send("POST /hook HTTP/1.1", "Host: a", "Content-Length: 1000000", body=b"x" * 200_000)
    assert running.wire().get("/hello").status == 200
    assert running.server.loop.buffered <= 2 << 20


def test_a_flood_of_connections_that_reset_leaves_nothing_behind(serve):
    running = serve(HELLO)
    for _ in range(200):
        sock = socket.create_connection(("127.0.0.1", running.port))
        sock.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    assert running.wire().get("/hello").status == 200
    time.sleep(0.5)
    assert running.server.loop.open_connections <= 1
    assert running.server.loop.buffered == 0
