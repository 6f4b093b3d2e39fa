"""The server over real loopback sockets."""

import json
import threading

from podup.server.limits import ServerLimits
from podup.server.response import Response, answer
from podup.server.router import Route, Who

HELLO = Route("GET", "/hello", "Says hello.", Who.OPEN, handler=lambda request: answer({"hello": "you"}))
HOOK = Route(
    "POST",
    "/hook/{unit}",
    "Takes a delivery.",
    Who.SIGNATURE,
    batch=lambda turn: [answer({"unit": r.params["unit"], "bytes": len(r.body)}, 202) for r in turn],
    body_limit=1 << 20,
)


def test_one_connection_serves_many_requests(serve):
    wire = serve(HELLO, HOOK).wire()
    for number in range(3):
        got = wire.post(f"/hook/web{number}.service", b"x" * 10_000)
        assert (got.status, json.loads(got.body)) == (202, {"unit": f"web{number}.service", "bytes": 10_000})
        got = wire.get("/hello")
        assert got.body == b'{"hello":"you"}\n'
        assert got.headers["x-request-id"].startswith("req_")
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["cache-control"] == "no-store"


def test_pipelined_requests_are_answered_in_order(serve):
    wire = serve(HELLO, HOOK).wire()
    first = b"POST /hook/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    second = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
    wire.sock.sendall(first + second + first)
    assert [wire.read().status for _ in range(3)] == [202, 200, 202]


def test_unknown_paths_and_methods(serve):
    wire = serve(HELLO).wire()
    got = wire.get("/nothing")
    assert (got.status, json.loads(got.body)["error"]["code"]) == (404, "no-such-path")
    wire.send("DELETE /hello HTTP/1.1", "Host: a")
    got = wire.read()
    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    wire.send("OPTIONS /hello HTTP/1.1", "Host: a")
    got = wire.read()
    assert (got.status, got.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    wire.send("HEAD /hello HTTP/1.1", "Host: a")
    got = wire.read(bodyless=True)
    assert (got.status, got.headers["content-length"]) == (200, "16")
    assert wire.get("/hello").status == 200


def test_connection_close_is_honoured(serve):
    wire = serve(HELLO).wire()
    got = wire.get("/hello", "Connection: close")
    assert got.headers["connection"] == "close"
    assert wire.is_closed()


def test_a_client_that_closed_its_half_still_gets_its_answer(serve):
    wire = serve(HELLO).wire()
    wire.send("GET /hello HTTP/1.1", "Host: a")
    wire.sock.shutdown(1)
    assert wire.read().status == 200
    assert wire.is_closed()


def test_a_body_announced_with_expect_is_asked_for_after_the_checks(serve):
    wire = serve(HOOK).wire()
    wire.send("POST /hook/a HTTP/1.1", "Host: a", "Content-Length: 2", "Expect: 100-continue")
    assert wire.read().status == 100
    wire.sock.sendall(b"hi")
    assert wire.read().status == 202
    wire.send("POST /hook/a HTTP/1.1", "Host: a", "Content-Length: 2000000", "Expect: 100-continue")
    assert wire.read().status == 413


def test_a_handler_that_crashes_is_one_500_and_tells_nothing(serve, capfd):
    def crash(request):
        raise ValueError("the secret reason")

    running = serve(Route("GET", "/crash", "Crashes.", Who.OPEN, handler=crash), HELLO)
    wire = running.wire()
    got = wire.get("/crash")
    assert got.status == 500
    assert b"secret" not in got.body
    assert wire.get("/hello").status == 200
    assert "the secret reason" in capfd.readouterr().err
    assert running.done == [("/crash", 500), ("/hello", 200)]


def test_what_crashes_before_or_after_a_handler_is_a_500_too_and_others_are_served(serve, capfd):
    def crash(request, route):
        if request.header("x-crash"):
            raise ValueError("the secret reason")

    running = serve(HELLO, checks=(crash,))
    got = running.wire().get("/hello", "X-Crash: 1")
    assert (got.status, b"secret" in got.body) == (500, False)
    running.done = None  # who listens to answers fails from here on
    assert [running.wire().get("/hello").status for _ in range(2)] == [200, 200]
    assert "the secret reason" in capfd.readouterr().err


def test_a_header_that_would_split_the_answer_is_a_500(serve, capfd):
    split = (("X-A", "b\r\nX-C: d"),)
    bad = Route("GET", "/bad", "Splits.", Who.OPEN, handler=lambda request: Response(200, split))
    got = serve(bad).wire().get("/bad")
    assert got.status == 500
    assert "x-c" not in got.headers
    assert "not printable" in capfd.readouterr().err


def test_a_full_pool_answers_503_at_once_and_the_loop_goes_on(serve):
    gate = threading.Event()
    slow = Route("GET", "/slow", "Blocks.", Who.OPEN, handler=lambda r: answer({"done": gate.wait(5)}))
    quick = Route("GET", "/quick", "Quick.", Who.OPEN, handler=lambda r: answer({}), in_loop=True)
    running = serve(slow, quick, limits=ServerLimits(workers=1, waiting=1, sweep_s=0.05))
    waiting = [running.wire() for _ in range(6)]
    for wire in waiting:
        wire.send("GET /slow HTTP/1.1", "Host: a")
    assert running.wire().get("/quick").status == 200
    gate.set()
    answers = [wire.read() for wire in waiting]
    refused = [got for got in answers if got.status == 503]
    assert 4 <= len(refused) + 1 <= 6
    assert all(got.headers["retry-after"] == "2" for got in refused)


def test_all_requests_of_a_turn_are_one_call(serve):
    turns = []

    def batch(turn):
        turns.append(len(turn))
        return [answer({}, 202) for _ in turn]

    gate = threading.Event()
    block = Route(
        "GET", "/block", "Holds the loop.", Who.OPEN, in_loop=True, handler=lambda r: answer(gate.wait(5))
    )
    running = serve(block, Route("POST", "/hook", "Takes.", Who.SIGNATURE, batch=batch))
    holder = running.wire()
    holder.send("GET /block HTTP/1.1", "Host: a")
    wires = [running.wire() for _ in range(20)]
    for wire in wires:
        wire.send("POST /hook HTTP/1.1", "Host: a", "Content-Length: 2", body=b"{}")
    gate.set()
    assert {wire.read().status for wire in wires} == {202}
    assert max(turns) > 5
    assert sum(turns) == 20


def test_a_graceful_stop_answers_what_was_accepted(serve):
    gate, entered = threading.Event(), threading.Event()

    def slow(request):
        entered.set()
        return answer({"done": gate.wait(5)})

    running = serve(Route("GET", "/slow", "Blocks.", Who.OPEN, handler=slow))
    wire, idle = running.wire(), running.wire()
    wire.send("GET /slow HTTP/1.1", "Host: a")
    entered.wait(5)
    running.server.stop()
    assert idle.is_closed()
    gate.set()
    got = wire.read()
    assert (got.status, got.headers["connection"]) == (200, "close")


def test_a_graceful_stop_answers_all_whom_the_kernel_has_accepted(serve):
    gate, entered = threading.Event(), threading.Event()

    def hold(request):
        entered.set()
        return answer({"done": gate.wait(5)})

    held = Route("GET", "/held", "Holds the loop.", Who.OPEN, handler=hold, in_loop=True)
    running = serve(HELLO, held, limits=ServerLimits(connections=500, waiting=200))
    running.wire().send("GET /held HTTP/1.1", "Host: a")
    assert entered.wait(5)
    wires = [running.wire() for _ in range(150)]
    for wire in wires:
        wire.send("GET /hello HTTP/1.1", "Host: a")
    running.server.stop()
    gate.set()
    assert {wire.read().status for wire in wires} == {200}


def test_an_idle_server_sleeps(serve):
    running = serve(HELLO, limits=ServerLimits())
    wire = running.wire()
    wire.get("/hello")
    before = running.server.loop.wakes
    threading.Event().wait(0.5)
    assert running.server.loop.wakes - before <= 1
