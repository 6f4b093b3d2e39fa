"""What is told about the program itself: each end of an update once, ERROR_SYSTEM daily, recovery once."""

import json
from pathlib import Path

import pytest
from simulated_host import Channel
from whole import Whole, self_updates

from podup.engine.outbox import Outbox
from podup.update import remembered, starts

DAY_S = 86400
REPORT = {
    "type": "self-update-run", "status": "succeeded", "exit_code": 0, "binary_path": "/b",
    "release_tag": "v1.1.0", "stderr_tail": "", "runner_host": "h", "runner_pid": 5,
    "from": "1.0.0", "to": "1.1.0",
}  # fmt: skip


class Daemon:
    """A daemon's part in its own updates over one state; a new one is a daemon started anew."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.channel = Channel()
        self.outbox = Outbox(whole.database, whole.clock, (self.channel,))
        self.updates = self_updates(whole, outbox=self.outbox)
        self.places = self.updates.places

    def events(self, *, after_s: float = 61) -> list[str]:
        """Return what is told when that much time has passed."""
        self.channel.heard.clear()
        self.whole.clock.sleep(after_s)
        self.updates.turn()
        self.outbox.turn()
        return self.channel.events

    def end(self, number: int, **values: object) -> list[str]:
        """Return what is told when a run leaves a report."""
        self.places.reports.mkdir(exist_ok=True)
        body = {**REPORT, "started_at": number, "finished_at": number + 1, **values}
        (self.places.reports / f"self-update-{number}-5.json").write_text(json.dumps(body))
        return self.events()


@pytest.fixture
def daemon(whole: Whole) -> Daemon:
    return Daemon(whole)


FAILED = {"status": "failed", "exit_code": 1, "code": "release-server-answer", "message": "status 500"}
BACK = {"status": "rolled_back", "exit_code": 4, "code": "trial-failed", "message": "it never answered"}
NOTHING = {"status": "skipped", "exit_code": 0, "code": "up-to-date"}


def test_an_update_is_told_with_its_versions(daemon: Daemon) -> None:
    assert daemon.end(10) == ["updated"]
    [message] = daemon.channel.heard
    assert message["title"] == "pod-upgrade-trigger is now 1.1.0"
    assert message["text"] == "1.0.0 -> 1.1.0 (v1.1.0)"
    assert daemon.events() == []


def test_what_is_not_news_is_not_told(daemon: Daemon) -> None:
    assert daemon.end(10, **NOTHING) == []
    assert daemon.end(20, **FAILED, dry_run=True) == []
    assert daemon.end(30, dry_run=True) == []


def test_the_same_failure_again_is_told_once_and_its_end_once(daemon: Daemon) -> None:
    assert daemon.end(10, **FAILED) == ["failed"]
    assert daemon.end(20, **FAILED) == []
    assert Daemon(daemon.whole).end(30, **FAILED) == []
    assert daemon.end(40, **NOTHING) == ["recovered"]
    assert daemon.channel.heard[0]["failures"] == 3
    assert daemon.end(50, **FAILED) == ["failed"]


def test_a_version_that_was_rolled_back_is_news_until_one_stays(daemon: Daemon) -> None:
    assert daemon.end(10, **BACK) == ["rolled_back"]
    assert "rolled back to 1.0.0" in daemon.channel.heard[0]["title"]
    assert daemon.end(20, **BACK) == []
    assert daemon.end(30, **NOTHING) == [], "nothing newer does not make it well"
    assert daemon.end(40, to="1.2.0") == ["updated", "recovered"]


def test_hold_is_told_each_day_also_over_restarts_and_ends_with_one_message(daemon: Daemon) -> None:
    remembered.set_hold(daemon.places, "the backup is damaged", 10)
    assert daemon.end(10, status="failed", outcome="held", exit_code=1) == ["ERROR_SYSTEM"], "told once"
    assert "self-update --clear-hold" in daemon.channel.heard[0]["text"]
    assert daemon.end(20, status="failed", exit_code=3, code="updates-on-hold") == []
    assert Daemon(daemon.whole).events(after_s=DAY_S // 2) == []
    assert Daemon(daemon.whole).events(after_s=DAY_S // 2) == ["ERROR_SYSTEM"]
    assert daemon.events(after_s=DAY_S) == ["ERROR_SYSTEM"]
    remembered.clear_hold(daemon.places)
    assert Daemon(daemon.whole).events() == ["recovered"]
    assert daemon.events(after_s=DAY_S) == []


def test_hold_is_an_issue_with_the_command_that_clears_it(whole: Whole, daemon: Daemon) -> None:
    remembered.set_hold(daemon.places, "the backup is damaged", 10)
    assert daemon.updates.health()["hold"] == "the backup is damaged"
    health = whole.ask("GET", "/health").json
    [issue] = [one for one in health["issues"] if one["component"] == "self-update"]
    assert (health["status"], issue["message"]) == ("degraded", "updates are on hold: the backup is damaged")
    assert "pod-upgrade-trigger self-update --clear-hold" in issue["hint"]


def test_a_program_that_would_not_start_says_so_once_it_stands(daemon: Daemon) -> None:
    for _ in range(starts.MANY + 1):
        starts.count(daemon.places, 5)
    assert daemon.events(after_s=0) == ["ERROR_SYSTEM"]
    assert f"{starts.MANY} times" in daemon.channel.heard[0]["title"]
    assert daemon.events() == ["recovered"]
    assert not daemon.places.starts.exists()
    assert daemon.events(after_s=DAY_S) == []


def test_a_few_starts_are_no_news(daemon: Daemon) -> None:
    for _ in range(starts.MANY):
        starts.count(daemon.places, 5)
    assert daemon.events(after_s=0) == []
    assert daemon.events() == []
    assert not daemon.places.starts.exists()


def test_a_stop_in_good_order_begins_the_count_anew(daemon: Daemon, tmp_path: Path) -> None:
    starts.count(daemon.places, 5)
    daemon.updates.alarm.end_well()
    assert starts.load(daemon.places) == starts.Starts()
    daemon.places.starts.write_text("{torn")
    assert starts.load(daemon.places).count == 0
    assert starts.count(daemon.places, 7) == starts.Starts(1, 7)
