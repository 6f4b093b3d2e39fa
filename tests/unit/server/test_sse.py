"""Event streams: replay, live, end, slow watchers, heartbeats."""

import dataclasses
import threading

import pytest
from serving import QUICK

from podup.errors import Invalid, Unavailable
from podup.server.request import Request
from podup.server.router import Route, Who
from podup.server.sse import END, Event, Hub, last_event_id


def event(number: int, name: str = "log") -> Event:
    return Event(number, name, {"n": number})


def numbers(data: bytes) -> list[int]:
    return [int(line[4:]) for line in data.decode().splitlines() if line.startswith("id: ")]


def test_a_watcher_gets_what_it_missed_then_what_comes_once_each():
    hub = Hub()

    def replay(after):
        hub.publish("t", event(4))  # happens while the past is read
        hub.publish("t", event(5))
        return [event(n) for n in range(1, 5)]

    watcher = hub.watch("t", after=2, replay=replay)
    hub.publish("t", event(5))
    hub.publish("t", event(6))
    hub.publish("other", event(7))
    assert numbers(watcher.take()) == [3, 4, 5, 6]
    assert watcher.take() == b""
    assert not watcher.is_over


def test_the_end_ends_it_after_all_was_taken():
    hub = Hub()
    watcher = hub.watch("t", after=0, replay=lambda after: [])
    hub.publish("t", event(1, END))
    hub.publish("t", event(2))
    assert not watcher.is_over
    assert numbers(watcher.take()) == [1]
    assert watcher.is_over
    watcher.close()
    assert hub.topics() == set()


def test_a_slow_watcher_is_dropped_and_told_to_the_loop():
    woken = []
    hub = Hub(queue_bytes=200)
    watcher = hub.watch("t", after=0, replay=lambda after: [])
    watcher.attach(lambda: woken.append(watcher.is_over))
    for number in range(1, 20):
        hub.publish("t", event(number))
    assert woken[0] is False
    assert woken[-1] is True
    assert watcher.take() == b""


def test_watchers_are_bounded_and_a_failed_replay_leaves_none():
    hub = Hub(max_watchers=1)
    with pytest.raises(ZeroDivisionError):
        hub.watch("t", after=0, replay=lambda after: [1 / 0])
    hub.watch("t", after=0, replay=lambda after: [])
    with pytest.raises(Unavailable):
        hub.watch("t", after=0, replay=lambda after: [])


def test_last_event_id_is_a_number_of_ours():
    assert last_event_id(Request("GET", "/", headers={"last-event-id": "12"})) == 12
    assert last_event_id(Request("GET", "/")) == 0
    with pytest.raises(Invalid):
        last_event_id(Request("GET", "/", headers={"last-event-id": "-1"}))


@pytest.fixture
def streaming(serve):
    hub = Hub()

    def logs(request):
        after = last_event_id(request)
        return hub.respond("t", after=after, replay=lambda after: [event(n) for n in (1, 2) if n > after])

    return hub, (Route("GET", "/sse/logs", "Logs.", Who.OPEN, handler=logs),), serve


def read_event(wire) -> dict[str, str]:
    fields: dict[str, str] = {}
    while True:
        line = wire.read_line().decode().rstrip("\n")
        if not line:
            if "id" in fields or "" in fields:
                return fields
            continue
        name, _, value = line.partition(": ")
        fields[name] = value


def test_a_stream_over_the_wire_resumes_and_ends(streaming):
    hub, rows, serve = streaming
    wire = serve(*rows).wire()
    wire.send("GET /sse/logs HTTP/1.1", "Host: a", "Last-Event-ID: 1")
    got = wire.read(bodyless=True)
    assert got.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in got.headers
    assert read_event(wire)["id"] == "2"
    hub.publish("t", event(3))
    assert read_event(wire)["data"] == '{"n":3}'
    hub.publish("t", event(4, END))
    assert read_event(wire)["event"] == END
    assert wire.is_closed()


def test_who_asks_for_the_headers_of_a_stream_gets_no_stream(streaming):
    hub, rows, serve = streaming
    wire = serve(*rows).wire()
    wire.send("HEAD /sse/logs HTTP/1.1", "Host: a")
    got = wire.read(bodyless=True)
    assert got.headers["content-type"].startswith("text/event-stream")
    assert wire.is_closed()
    assert hub.topics() == set()


def test_a_silent_stream_beats_and_a_watcher_that_leaves_is_forgotten(streaming):
    hub, rows, serve = streaming
    wire = serve(*rows, limits=dataclasses.replace(QUICK, heartbeat_s=0.05)).wire()
    wire.send("GET /sse/logs HTTP/1.1", "Host: a", "Last-Event-ID: 2")
    wire.read(bodyless=True)
    assert "" in read_event(wire)
    wire.close()
    gone = threading.Event()
    for _ in range(100):
        if not hub.topics():
            break
        gone.wait(0.02)
    assert hub.topics() == set()
