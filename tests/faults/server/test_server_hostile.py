"""Requests made to be read in two ways, to be too large, or to reach what is not theirs."""

import json
import socket
import threading
import time
from pathlib import Path

import pytest
from serving import Wire

from podup.server.limits import ServerLimits
from podup.server.response import answer
from podup.server.router import Route, Who
from podup.server.sse import Event, Hub
from podup.server.static import read_files, routes

SECRET = Route("GET", "/admin", "Only for some.", Who.ADMIN, handler=lambda request: answer({"told": "all"}))
HELLO = Route("GET", "/hello", "Says hello.", Who.OPEN, handler=lambda request: answer({}))
HOOK = Route(
    "POST",
    "/hook",
    "Takes.",
    Who.SIGNATURE,
    batch=lambda turn: [answer({"bytes": len(request.body)}, 202) for request in turn],
    body_limit=1 << 20,
)
ACT = Route("POST", "/act", "Acts.", Who.ADMIN, handler=lambda request: answer({}), body_limit=64 << 20)
INNER = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


def head(*lines: bytes) -> bytes:
    return b"\r\n".join((b"POST /hook HTTP/1.1", b"Host: a", *lines, b"", b""))


SMUGGLED = {
    "CL.TE": head(b"Content-Length: 40", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + INNER,
    "TE.CL": head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"20\r\n" + INNER + b"\r\n0\r\n\r\n",
    "TE.TE": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + b"0\r\n\r\n" + INNER,
    "TE twice in one": head(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n" + INNER,
    "TE tab": head(b"Transfer-Encoding:\tchunked\x0b") + b"0\r\n\r\n" + INNER,
    "TE name": head(b"Transfer-Encoding : chunked") + b"0\r\n\r\n" + INNER,
    "TE underscore": head(b"Transfer_Encoding: chunked") + b"0\r\n\r\n" + INNER,
    "TE folded": head(b"Transfer-Encoding:", b" chunked") + b"0\r\n\r\n" + INNER,
    "TE quoted": head(b'Transfer-Encoding: "chunked"') + b"0\r\n\r\n" + INNER,
    "CL.CL": head(b"Content-Length: 0", b"Content-Length: 32") + INNER,
    "CL list": head(b"Content-Length: 0, 32") + INNER,
    "CL plus": head(b"Content-Length: +0") + INNER,
    "CL octal": head(b"Content-Length: 0o0") + INNER,
    "CL space": head(b"Content-Length: 0 0") + INNER,
    "CL fullwidth": head("Content-Length: \uff10".encode()) + INNER,
    "bare LF": b"POST /hook HTTP/1.1\nHost: a\nContent-Length: 0\n\n" + INNER,
    "bare CR": head(b"X: a\rContent-Length: 32") + INNER,
    "chunk extension": head(b"Transfer-Encoding: chunked") + b"0;x\n\r\n\r\n" + INNER,
    "chunk size": head(b"Transfer-Encoding: chunked") + b"0x0\r\n\r\n" + INNER,
    "chunk end": head(b"Transfer-Encoding: chunked") + b"1\r\naXX0\r\n\r\n" + INNER,
    "trailer": head(b"Transfer-Encoding: chunked") + b"0\r\nHost: b\r\n\r\n" + INNER,
    "two hosts": head(b"Host: b", b"Content-Length: 0") + INNER,
    "0.9": b"GET /hello\r\n" + INNER,
    "space in target": b"GET /hello x HTTP/1.1\r\nHost: a\r\n\r\n" + INNER,
}


@pytest.mark.parametrize("shape", SMUGGLED)
def test_a_request_with_two_readings_is_refused_once_and_nothing_after_it_is_served(serve, shape):
    running = serve(HELLO, HOOK)
    wire = running.wire()
    wire.sock.sendall(SMUGGLED[shape])
    got = wire.read()
    assert got.status in (400, 501)
    assert got.headers["connection"] == "close"
    assert json.loads(got.body)["error"]["code"]
    assert wire.is_closed()
    assert len(running.done) == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: a\r\n" * 1000 + b"\r\n", 431),
        (b"GET /hello?" + b"a=1&" * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (head(b"Content-Length: 99999999999"), 413),
        (head(b"Transfer-Encoding: chunked") + b"fffffff\r\n", 413),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 413),
        (b"A" * 100_000, 414),
        (b"\x16\x03\x01" + b"\x00" * 500, 400),
        (b"\x00" * 5000, 400),
    ],
    ids=["target", "head", "fields", "query", "length", "chunk", "GET body", "no line end", "TLS", "zeros"],
)
def test_what_is_too_large_is_refused_with_its_status(serve, data, status):
    wire = serve(HELLO, HOOK).wire()
    wire.sock.sendall(data)
    assert wire.read().status == status
    assert wire.is_closed()


def test_an_endless_chunked_body_ends_at_the_limit(serve):
    running = serve(HOOK)
    wire = running.wire()
    wire.sock.sendall(head(b"Transfer-Encoding: chunked"))
    sent = 0
    try:
        while sent < 16 << 20:
            sent += wire.sock.send(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
    except OSError:
        pass  # refused while sending
    assert sent < 8 << 20
    assert running.done == [("/hook", 413)]  # a client that sends on may lose the answer to a reset


def test_a_large_body_nobody_vouches_for_is_refused_before_it_is_read(serve):
    running = serve(ACT)
    wire = running.wire()
    wire.send("POST /act HTTP/1.1", "Host: a", f"Content-Length: {64 << 20}")
    sent = 0
    wire.sock.settimeout(2)
    try:
        while sent < 64 << 20:
            sent += wire.sock.send(b"x" * 65536)
    except OSError:
        pass  # refused while sending
    assert sent < 16 << 20  # what the kernel's buffers hold, and the first megabyte
    assert running.done == [("/act", 401)]
    assert running.server.loop.buffered <= 1 << 20


def test_the_answer_to_a_refused_body_arrives_although_the_body_is_never_read(serve):
    wire = serve(ACT).wire()
    wire.send("POST /act HTTP/1.1", "Host: a", "Content-Length: 300000")
    for _ in range(3):
        time.sleep(0.05)
        wire.sock.sendall(b"x" * 100_000)  # fails when the server has reset the connection
    assert wire.read().status == 401


TRAVERSALS = [
    "/assets/../secret.txt",
    "/assets/..%2fsecret.txt",
    "/assets/%2e%2e/secret.txt",
    "/assets/%2e%2e%2fsecret.txt",
    "/assets/..%5csecret.txt",
    "/assets/%252e%252e%252fsecret.txt",
    "/assets/..%c0%afsecret.txt",
    "/assets/%c0%ae%c0%ae/secret.txt",
    "/assets/..%00/secret.txt",
    "/assets/....//secret.txt",
    "/assets/%uff0e%uff0e/secret.txt",
    "/assets//secret.txt",
    "/assets/%2fsecret.txt",
    "//secret.txt",
    "/./assets/../../secret.txt",
    "/assets/..;/secret.txt",
    "/%61dmin/../admin",
    "/admin%2f",
    "/admin/",
    "/ADMIN",
    "/hello/../admin",
    "/hello/%2e%2e/admin",
    "http://a/../admin",
]


@pytest.mark.parametrize("target", TRAVERSALS)
def test_no_spelling_of_a_path_leads_out(serve, tmp_path: Path, target):
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("index")
    (tmp_path / "secret.txt").write_text("the secret")
    wire = serve(SECRET, HELLO, *routes(read_files([web]), ("/",))).wire()
    wire.send(f"GET {target} HTTP/1.1", "Host: a")
    got = wire.read()
    assert got.status in (400, 401, 404)
    assert b"secret" not in got.body


def test_two_hundred_watchers_need_no_thread_and_slow_ones_are_dropped(serve):
    hub = Hub(queue_bytes=64 * 1024)
    row = Route(
        "GET", "/sse", "Streams.", Who.OPEN, handler=lambda _: hub.respond("t", after=0, replay=lambda _: [])
    )
    running = serve(row, HELLO, limits=ServerLimits(connections=300))
    wires = [running.wire() for _ in range(200)]
    for wire in wires:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send("GET /sse HTTP/1.1", "Host: a")
        assert wire.read(bodyless=True).status == 200
        assert wire.read_line() == b"retry: 2000\n"
    threads = threading.active_count()
    hub.publish("t", Event(1, "news", {"a": 1}))
    for wire in wires:
        assert [wire.read_line() for _ in range(2)] == [b"\n", b"id: 1\n"]
    assert threading.active_count() == threads
    big = "x" * 20_000
    for number in range(2, 400):
        hub.publish("t", Event(number, "news", big))
        if not hub.topics():
            break
    assert running.wire().get("/hello").status == 200
    wait_until(lambda: running.server.loop.open_connections < 10)


def wait_until(holds) -> None:
    tick = threading.Event()
    for _ in range(250):
        if holds():
            return
        tick.wait(0.02)
    raise AssertionError("it did not happen in five seconds")


def test_a_client_that_leaves_in_the_middle_of_everything_harms_nobody(serve):
    running = serve(HELLO, HOOK)
    whole = head(b"Content-Length: 100") + b"x" * 100
    for cut in range(1, len(whole), 7):
        wire = Wire(running.port)
        wire.sock.sendall(whole[:cut])
        wire.close()
    assert running.wire().get("/hello").status == 200
