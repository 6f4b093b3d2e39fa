"""What becomes a row of the event log, what only a count, and that nothing is lost or leaked."""

import csv
import gc
import io
import json

import pytest
from whole import CONTROL, SECRET, TOKEN, Whole

from podup.api.events import EventFeed, EventRoutes
from podup.api.health import HealthRoutes
from podup.engine.inbox import Knock
from podup.errors import Unauthorized, Unavailable
from podup.server.request import Request
from podup.store import events
from podup.store.events import Event


def counts(whole: Whole) -> dict[str, int]:
    whole.engine.log.flush()
    with whole.database.read() as cx:
        return {kind: count for _, kind, count in events.counts_since(cx, 0.0)}


def test_a_request_of_an_administrator_is_a_row(whole: Whole) -> None:
    answer = whole.ask(
        "POST", "/api/manual/services/web", {"dry_run": True, "caller": "ci", "reason": "nightly"}
    )
    [row] = whole.events("action=manual-services")
    assert (row["method"], row["path"], row["status"]) == ("POST", "/api/manual/services/web", 202)
    assert row["task_id"] == answer.json["task_id"]
    assert row["duration_ms"] == 12
    assert row["meta"] == {
        "source": "api", "by": "PODUP_TOKEN", "client": "192.0.2.7",
        "caller": "ci", "reason": "nightly", "dry_run": True,
    }  # fmt: skip


def test_a_command_is_a_row_with_its_caller(whole: Whole) -> None:
    whole.ask("POST", "/api/manual/trigger", {"units": ["web"], "caller": "me"}, headers={}, peer=CONTROL)
    [row] = whole.events("path=/api/manual/")
    assert (row["meta"]["source"], row["meta"]["caller"]) == ("cli", "me")


def test_a_webhook_has_its_row_in_the_commit_of_its_delivery(whole: Whole) -> None:
    answer = whole.deliver("web", {"image": "ghcr.io/acme/web:latest"})
    assert answer.status == 202
    with whole.database.read() as cx:
        [event], _ = events.find(cx, events.EventFilter(action="github-package-update"))
    assert (event.status, event.task_id) == (202, answer.json["task_id"])
    assert event.meta["source"] == "webhook"
    assert len(whole.events("action=github-package-update")) == 1


def test_floods_are_counted_and_make_no_rows(whole: Whole) -> None:
    for _ in range(5):
        assert whole.ask("GET", "/health", headers={}).status == 200
        assert whole.ask("GET", "/api/tasks", headers={}).status == 401
        assert whole.ask("GET", "/wp-login.php", headers={}).status == 404
        assert whole.deliver("web", {"image": "ghcr.io/acme/web"}, secret="guessed").status == 401
    assert whole.events() == []
    assert counts(whole) == {"probe": 5, "refused": 10, "webhook-401": 5}


def test_what_was_refused_is_forgotten_at_once_and_does_not_wait_for_a_collection(whole: Whole) -> None:
    gc.collect()
    gc.disable()
    try:
        assert whole.deliver("web", {"image": "ghcr.io/acme/web"}, secret="guessed").status == 401
        assert [held for held in gc.get_objects() if isinstance(held, Knock | Unauthorized)] == []
    finally:
        gc.enable()


def test_a_thousand_events_are_one_commit(whole: Whole) -> None:
    log = whole.engine.log
    for number in range(1000):
        log.record(Event(ts=whole.clock.now(), path=f"/{number}"))
    version = "PRAGMA data_version"
    with whole.database.read() as cx:
        before = cx.execute(version).fetchone()[0]
    log.turn()
    with whole.database.read() as cx:
        assert cx.execute("SELECT count(*) FROM event_log").fetchone()[0] == 1000
        assert cx.execute(version).fetchone()[0] != before
    log.record(Event(ts=whole.clock.now(), path="/next"))
    assert 0 < log.turn() <= 1.0
    with whole.database.read() as cx:
        assert cx.execute("SELECT count(*) FROM event_log").fetchone()[0] == 1000
    whole.clock.sleep(1.0)
    log.turn()
    with whole.database.read() as cx:
        assert cx.execute("SELECT count(*) FROM event_log").fetchone()[0] == 1001


def test_memory_is_bounded_and_the_rest_is_counted(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podup.engine.event_log.MAX_WAITING", 3)
    for number in range(5):
        whole.engine.log.record(Event(ts=1.0, path=f"/{number}"))
    assert counts(whole) == {"not-kept": 2}
    assert len(whole.events("path=/")) == 3


def test_secrets_are_masked(whole: Whole) -> None:
    whole.ask("GET", f"/api/tasks?caller={SECRET}&token={TOKEN}")
    whole.ask("POST", f"/api/tasks/{SECRET}/stop", {})
    whole.ask("POST", "/api/manual/trigger", {"units": ["web"], "reason": f"password={SECRET} {TOKEN}"})
    shown = str(whole.events())
    assert len(whole.events("path=/api/")) >= 3
    assert SECRET not in shown and TOKEN not in shown and "***" in shown


def test_a_line_of_another_version_does_not_keep_the_rest_away(whole: Whole) -> None:
    left = whole.engine.state_dir / "events-left.jsonl"
    lines = ['{"ts": 1.0, "path": "/ours"}', '{"ts": 1.0, "path": "/theirs", "mood": "good"}', '{"ts": 1.']
    left.write_text("\n".join(lines))
    assert whole.engine.log.take_in() == 1
    assert not left.exists()
    assert counts(whole) == {"not-kept": 2}


class Closed:
    """A database that takes no write for a while."""

    def __init__(self, whole: Whole) -> None:
        self.read = whole.database.read

    def write(self) -> None:
        raise Unavailable("maintenance", "an update is under way")


def test_what_cannot_be_stored_at_the_end_is_stored_at_the_next_start(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = whole.engine.log
    log.record(Event(ts=5.0, path="/kept", meta={"reason": f"token={SECRET}"}))
    monkeypatch.setattr(log, "_store", Closed(whole))
    assert not log.flush()
    log.close()
    log.record(Event(ts=6.0, path="/of-a-second-process"))
    log.close()
    monkeypatch.undo()
    assert log.take_in() == 2
    assert log.take_in() == 0
    [row] = whole.events("path=/kept")
    assert row["ts"] == 5.0
    assert SECRET not in str(row)


def test_what_waits_from_an_earlier_process_is_not_lost_when_the_next_one_cannot_store_either(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = whole.engine.log
    monkeypatch.setattr(log, "_store", Closed(whole))
    for name in ("/first", "/second"):
        log.record(Event(ts=5.0, path=name))
        log.close()
    monkeypatch.undo()
    assert log.take_in() == 2
    assert [row["path"] for row in whole.events("from=5&to=6")] == ["/second", "/first"]


def test_whoever_is_known_and_may_not_is_on_record(whole: Whole) -> None:
    cookie = whole.ask("POST", "/api/login", {"token": TOKEN}, headers={}).headers["Set-Cookie"]
    barred = whole.ask("POST", "/api/freeze", {}, headers={"cookie": cookie.partition(";")[0]})
    assert barred.json["error"]["code"] == "csrf"
    [row] = whole.events("status=403")
    assert (row["path"], row["action"], row["meta"]["error"]) == ("/api/freeze", "freeze", "csrf")
    assert row["meta"]["by"] == "PODUP_TOKEN"


def test_a_list_has_pages_and_filters(whole: Whole) -> None:
    log = whole.engine.log
    for number in range(7):
        log.record(Event(ts=100.0 + number, path=f"/p{number % 2}", status=200 + number % 2, request_id="r"))
    log.flush()
    first = whole.ask("GET", "/api/events?per_page=3&request_id=r").json
    assert (first["total"], first["page_size"], first["has_next"]) == (7, 3, True)
    assert [row["ts"] for row in first["events"]] == [106.0, 105.0, 104.0]
    last = whole.ask("GET", "/api/events?per_page=3&page=3&request_id=r").json
    assert ([row["ts"] for row in last["events"]], last["has_next"]) == ([100.0], False)
    assert whole.ask("GET", "/api/events?path=/p1&status=201").json["total"] == 3
    assert whole.ask("GET", "/api/events?from=103&to=105").json["total"] == 2
    for query in ("from=nan", "to=later", "status=x", "page=0"):
        assert whole.ask("GET", f"/api/events?{query}").status == 400, query


def test_csv_is_safe_to_open(whole: Whole) -> None:
    whole.engine.log.record(Event(ts=1.0, path="=cmd()", action='a,"b"\n'))
    whole.engine.log.flush()
    answer = whole.ask("GET", "/api/events?format=csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert (rows[0]["path"], rows[0]["action"]) == ("'=cmd()", 'a,"b"\n')


def test_a_watcher_gets_what_was_and_what_comes_and_resumes(whole: Whole) -> None:
    log = whole.engine.log
    feed = EventFeed(whole.engine, whole.hub)
    for number in range(3):
        log.record(Event(ts=1.0, path=f"/old{number}"))
    log.flush()
    routes = EventRoutes(whole.engine, whole.hub)
    stream = routes.watch(Request("GET", "/sse/events")).stream
    assert stream is not None and stream.take().count(b"event: event") == 3
    log.record(Event(ts=2.0, path="/new"))
    log.flush()
    feed.turn()
    assert b'"path":"/new"' in stream.take()
    feed.turn()
    assert stream.take() == b""
    back = routes.watch(Request("GET", "/sse/events", headers={"last-event-id": "3"})).stream
    assert back is not None
    resumed = back.take()
    assert b'"path":"/new"' in resumed and b"old" not in resumed
    stream.close()
    back.close()


def test_a_watcher_that_was_away_for_long_misses_nothing(whole: Whole) -> None:
    log, routes = whole.engine.log, EventRoutes(whole.engine, whole.hub)
    feed = EventFeed(whole.engine, whole.hub)
    for number in range(1200):
        log.record(Event(ts=1.0, path=f"/{number}"))
    log.flush()
    feed.turn()
    stream = routes.watch(Request("GET", "/sse/events", headers={"last-event-id": "1"})).stream
    assert stream is not None
    log.record(Event(ts=2.0, path="/new"))
    log.flush()
    feed.turn()
    ids = [int(line[4:]) for line in stream.take().splitlines() if line.startswith(b"id: ")]
    assert ids == list(range(2, 1202))
    stream.close()


def test_a_watcher_of_a_database_that_was_put_back_begins_anew(whole: Whole) -> None:
    whole.engine.log.record(Event(ts=1.0, path="/here"))
    whole.engine.log.flush()
    routes = EventRoutes(whole.engine, whole.hub)
    stream = routes.watch(Request("GET", "/sse/events", headers={"last-event-id": "5000"})).stream
    assert stream is not None and b'"path":"/here"' in stream.take()
    stream.close()


def test_who_has_seen_the_end_of_a_task_is_sent_away(whole: Whole) -> None:
    task_id = whole.ask("POST", "/api/manual/services/web", {"dry_run": True}).json["task_id"]
    whole.ask("POST", f"/api/tasks/{task_id}/stop")
    path = f"/sse/task-logs?task_id={task_id}"
    said = {"authorization": f"Bearer {TOKEN}"}
    assert whole.ask("GET", path, headers=said).status == 200
    assert whole.ask("GET", path, headers={**said, "last-event-id": str(1 << 52)}).status == 204


def test_what_a_flood_stores_between_the_first_look_and_the_next_turn_is_told(whole: Whole) -> None:
    log, routes = whole.engine.log, EventRoutes(whole.engine, whole.hub)
    feed = EventFeed(whole.engine, whole.hub)
    stream = routes.watch(Request("GET", "/sse/events")).stream
    assert stream is not None
    for number in range(700):
        log.record(Event(ts=1.0, path=f"/{number}"))
    log.flush()
    feed.turn()
    assert stream.take().count(b"event: event") == 700
    stream.close()


class Full(Closed):
    """A store on a full disk."""

    def write(self) -> None:
        raise Unavailable("db-write-failed", "the disk is full", "free some room")


def test_health_says_that_nothing_can_be_stored_until_it_can(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = whole.engine.log
    log.record(Event(ts=5.0, path="/kept"))
    monkeypatch.setattr(log, "_store", Full(whole))
    assert not log.flush()
    health = whole.ask("GET", "/health", headers={})
    assert (health.status, health.json["db"]) == (503, "failed")
    assert health.json["issues"][0]["message"] == "the disk is full"
    assert whole.ask("GET", "/readyz", headers={}).status == 503
    monkeypatch.undo()
    assert log.flush()
    assert whole.ask("GET", "/health", headers={}).status == 200


def test_health_names_the_work_beside_the_server_that_stands_still(whole: Whole) -> None:
    update = {"txid": "", "maintenance": False, "beats": False, "hold": ""}
    routes = HealthRoutes(
        whole.engine,
        version="1.0.0",
        update=lambda: update,
        host=lambda: None,
        setbacks=lambda: {"tsk_a": "cannot be looked after: it is torn"},
    )
    told = json.loads(routes.health(Request("GET", "/health")).body)
    assert (told["status"], [issue["component"] for issue in told["issues"]]) == (
        "degraded",
        ["tsk_a", "duties"],
    )
