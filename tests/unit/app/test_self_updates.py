"""The daemon's part in its own updates: maintenance and spool, reports as tasks, the built-in thread."""

import json
from pathlib import Path

import pytest
from update_simulator import build
from whole import CONTROL, SECRET, Whole, maintenance_of, self_updates

from podup.app.updates import QuietStore
from podup.core.secrets import Secret
from podup.core.signatures import sign
from podup.engine.inbox import Knock
from podup.errors import Unavailable
from podup.files import remove
from podup.update import journal
from podup.update.journal import Build, Record
from podup.update.states import State

REPORT = {
    "type": "self-update-run", "started_at": 10, "finished_at": 12, "status": "succeeded", "exit_code": 0,
    "binary_path": "/b", "release_tag": "v1.2.3", "stderr_tail": "one\ntwo",
    "runner_host": "h", "runner_pid": 5,
}  # fmt: skip


class Told:
    """A daemon's updates over the whole program, and what they said."""

    def __init__(self, whole: Whole) -> None:
        self.lines: list[str] = []
        self.left = 0
        self.updates = self_updates(whole, say=self.lines.append, leave=self.leave)
        self.journal = self.updates.places.journal

    def leave(self) -> None:
        self.left += 1

    def begin(self, state: State) -> None:
        nothing = Build("1.0.0", "a" * 64)
        journal.store(self.journal, Record("tx1", state, nothing, nothing))


@pytest.fixture
def told(whole: Whole) -> Told:
    return Told(whole)


def knock(image: str = "ghcr.io/acme/web:latest", delivery: str = "one") -> Knock:
    body = json.dumps({"image": image}).encode()
    return Knock("web.service", body, delivery_id=delivery, generic_signature=sign(body, Secret(SECRET)))


def test_in_maintenance_the_database_takes_no_write(whole: Whole, told: Told) -> None:
    quiet = QuietStore(whole.database, maintenance_of(whole))
    with quiet.write():
        pass
    told.begin(State.TRIAL)
    with pytest.raises(Unavailable, match="is being updated") as caught, quiet.write():
        pass
    assert caught.value.retry_after_s
    with quiet.read() as cx:
        assert cx.execute("SELECT 1").fetchone()[0] == 1
    assert told.updates.health()["maintenance"] is True
    remove(told.journal)
    with quiet.write():
        pass


def deliveries(whole: Whole) -> int:
    with whole.database.read() as cx:
        return int(cx.execute("SELECT count(*) FROM deliveries").fetchone()[0])


def test_a_webhook_that_waited_runs_once_afterwards(whole: Whole, told: Told) -> None:
    told.updates.keep(knock())
    told.updates.keep(knock())
    told.updates.keep(knock(delivery="two"))
    before = deliveries(whole)
    told.updates.turn()
    assert deliveries(whole) == before + 2
    assert len(whole.ask("GET", "/api/tasks?unit=web.service").json["tasks"]) == 1
    told.updates.turn()
    assert deliveries(whole) == before + 2


def test_a_webhook_whose_signature_no_longer_counts_is_told_and_dropped(whole: Whole, told: Told) -> None:
    body = b'{"image": "x"}'
    told.updates.keep(Knock("web.service", body, generic_signature=sign(body, Secret("old secret"))))
    told.updates.turn()
    assert "no longer good" in "\n".join(told.lines)
    told.lines.clear()
    told.updates.turn()
    assert told.lines == []


def put(told: Told, name: str, body: object) -> Path:
    directory = told.updates.places.reports
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(body if isinstance(body, str) else json.dumps(body))
    return directory


def test_reports_become_tasks_and_broken_ones_events(whole: Whole, told: Told) -> None:
    directory = put(told, "self-update-10-5.json", REPORT)
    put(told, "self-update-11-5.json", "{torn")
    told.updates.turn()
    assert sorted(path.name for path in directory.iterdir()) == [
        "self-update-10-5.json.imported",
        "self-update-11-5.json.bad",
    ]
    [task] = whole.ask("GET", "/api/tasks?kind=self-update").json["tasks"]
    assert (task["kind"], task["type"], task["status"]) == ("self-update", "self-update-run", "succeeded")
    assert (task["meta"]["dry_run"], task["units"][0]["unit"]) == (False, "pod-upgrade-trigger-http.service")
    assert (task["started_at"], task["finished_at"], task["can_retry"]) == (10, 12, False)
    detail = whole.ask("GET", f"/api/tasks/{task['task_id']}").json
    logs = detail.get("task", detail)["logs"]
    assert [line["summary"] for line in logs if line["action"] == "self-update-run"][1:] == ["one", "two"]
    [event] = whole.events("action=self-update-report-bad")
    assert event["meta"]["file"] == "self-update-11-5.json"


def test_the_same_report_twice_is_one_task(whole: Whole, told: Told) -> None:
    for _ in range(2):
        put(told, "self-update-10-5.json", REPORT)
        told.updates.turn()
        whole.clock.sleep(61)
    assert whole.ask("GET", "/api/tasks?kind=self-update").json["total"] == 1


def test_a_wrong_cron_expression_is_a_warning_and_stays_off(whole_with) -> None:
    told = Told(whole_with(PODUP_SELF_UPDATE_CRON="every hour"))
    assert "stay off" in told.lines[0]
    assert 0 < told.updates.turn() < 15  # the daemon that stands beats within that


def test_the_built_in_thread_leaves_a_round_out_while_an_update_runs(whole_with) -> None:
    whole = whole_with(PODUP_SELF_UPDATE_CRON="*/5 * * * *")
    told = Told(whole)
    told.updates.turn()
    assert told.lines == []
    whole.clock.sleep(301)
    told.updates.turn()
    [line] = told.lines
    assert "could not be started" in line, "nothing is installed here"


def test_the_program_on_trial_leaves_when_its_update_is_gone(whole_with, tmp_path: Path) -> None:
    target = build(tmp_path / "program", "1.0.0")
    told = Told(whole_with(TARGET_BIN=str(target)))
    told.begin(State.TRIAL)
    told.updates.turn()
    assert told.left == 1


def test_pages_are_turned_away_and_webhooks_and_health_are_not(whole: Whole, told: Told) -> None:
    routes = {
        route.path: route for route in whole.site.router.routes if route.path in ("/health", "/api/tasks")
    }
    told.begin(State.SNAPSHOT)
    begin = whole.site.begin
    told.updates.check(begin(None, CONTROL).__class__("GET", "/health"), routes["/health"])
    with pytest.raises(Unavailable):
        told.updates.check(begin(None, CONTROL).__class__("GET", "/api/tasks"), routes["/api/tasks"])


def test_the_api_shows_and_refuses(whole_with, tmp_path: Path) -> None:
    target = build(tmp_path / "program", "1.0.0")
    whole = whole_with(TARGET_BIN=str(target))
    shown = whole.ask("GET", "/api/self-update").json
    assert (shown["installed"], shown["transaction"], shown["kept"]) == ("1.0.0", None, [])
    refused = whole.ask("POST", "/api/self-update/rollback", {"version": "9.9.9"})
    assert (refused.status, refused.json["error"]["code"]) == (404, "version-not-kept")
    assert whole.ask("POST", "/api/self-update/rollback", {}).status == 400
