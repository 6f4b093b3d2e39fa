import errno
import json
import os

import pytest
from update_simulator import NEW, OLD, ROWS, build, make_machine, with_changes

from podup.core.host_faults import Problem
from podup.errors import Busy, NotFound, PodupError, Refused
from podup.files import FileLock, trace
from podup.records import replace
from podup.update import choosing, guard, journal, kept, remembered, reports
from podup.update.states import End, State
from podup.update.world import DryStart, Shape

CANDIDATES = [
    "crash",
    "mute",
    "half-mute",
    "wrong-version",
    "dies-later",
    "migration-raises",
    "ill",
    "no-beat",
]
CANDIDATES += ["no-database", "no-json", "lies", "drops-column"]


def exit_code(ended):
    return reports.exit_code_of(ended.end, ended.record.code)


def tree(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def assert_at_rest(machine, version, *, schema):
    places = machine.places
    assert kept.read_version(places.target) == version
    assert machine.service.running == version
    shape: Shape = machine.ground.database.look(places.database)
    assert (shape.schema, shape.rows["things"], shape.problems) == (schema, ROWS, ())
    assert not places.journal.exists()
    leftovers = [
        p.name for p in machine.root.rglob("*") if ".new." in p.name or ".tmp" in p.name or ".aside" in p.name
    ]
    assert leftovers == []
    assert not places.scratch.exists()


def the_report(machine):
    (path,) = machine.places.reports.glob("*.json")
    return json.loads(path.read_bytes())


def test_a_good_release_is_taken_with_its_migration(tmp_path):
    machine = make_machine(tmp_path)
    ended = machine.update(actor="timer")
    assert ended.end is End.SUCCEEDED
    assert_at_rest(machine, NEW, schema=2)
    assert machine.service.commands == ["stop", "start"]
    assert kept.read_version(machine.places.old) == OLD
    assert kept.good(machine.places).version == NEW
    assert kept.versions(machine.places) == [NEW, OLD]
    report = the_report(machine)
    assert (report["type"], report["status"], report["exit_code"]) == ("self-update-run", "succeeded", 0)
    assert (report["from"], report["to"], report["release_tag"]) == (OLD, NEW, f"v{NEW}")
    (entry,) = remembered.history(machine.places)
    assert (entry.before, entry.after, entry.outcome, entry.actor) == (OLD, NEW, "succeeded", "timer")


@pytest.mark.parametrize("behaviour", CANDIDATES)
def test_every_bad_candidate_ends_with_the_old_version_and_is_remembered(tmp_path, behaviour):
    machine = make_machine(tmp_path, behaviour=behaviour)
    ended = machine.update()
    assert ended.end in (End.ROLLED_BACK, End.ABORTED)
    assert_at_rest(machine, OLD, schema=1)
    assert NEW in remembered.load_rejected(machine.places).versions
    assert the_report(machine)["exit_code"] in (1, 4)
    again = machine.update("tx2", report="second.json")
    assert (again.end, again.record.code) == (End.SKIPPED, "version-rejected")
    assert exit_code(again) == 3


def test_a_program_that_does_not_stay_up_is_told_with_where_to_look(tmp_path):
    machine = make_machine(tmp_path, behaviour="crash")
    machine.update()
    [(_, why)] = remembered.load_rejected(machine.places).reasons().items()
    assert "ended by itself and was restarted; what it said: its log since 1700000000" in why
    machine.update("tx2", report="second.json")
    assert machine.lines[-1] == f"hint: wait for the next release, or: self-update rejected release {NEW}"


def test_verified_bytes_that_are_no_program_are_remembered(tmp_path):
    machine = make_machine(tmp_path)
    machine.releases.program.write_bytes(b"<html>")
    ended = machine.update()
    assert (ended.end, ended.record.code) == (End.ABORTED, "release-no-good")
    assert list(remembered.load_rejected(machine.places).versions) == [NEW]


def test_a_kept_version_that_does_not_fit_the_database_is_refused_and_not_rejected(tmp_path):
    machine = make_machine(tmp_path, schema=2)
    machine.update()
    refused = DryStart(problem=Problem("the database has changes 1.0.0 cannot read: 0002_more"))
    machine = with_changes(machine, dry_start=lambda program, copy, patience: refused)
    ended = machine.update("tx2", kept_version=OLD, report="b.json")
    assert (ended.end, ended.record.code) == (End.ABORTED, "release-no-good")
    assert "0002_more" in ended.record.message
    assert remembered.load_rejected(machine.places).versions == {}
    assert_at_rest(machine, NEW, schema=2)


def test_a_refusing_release_server_changes_nothing(tmp_path):
    machine = make_machine(tmp_path)
    machine.releases.error = PodupError("checksum-mismatch", "one bit is off")
    assert machine.update().end is End.ABORTED
    assert_at_rest(machine, OLD, schema=1)
    assert machine.service.commands == []
    assert remembered.load_rejected(machine.places).versions == {}
    assert the_report(machine)["message"] == "one bit is off"


def test_up_to_date_is_skipped(tmp_path):
    machine = make_machine(tmp_path)
    machine.releases.tag = f"v{OLD}"
    ended = machine.update()
    assert (ended.end, ended.record.code) == (End.SKIPPED, "up-to-date")
    assert remembered.history(machine.places) == []


def test_a_dry_run_changes_nothing_but_its_report(tmp_path):
    machine = make_machine(tmp_path)
    before = tree(tmp_path)
    assert machine.update(dry_run=True).end is End.PLANNED
    after = tree(tmp_path)
    new = set(after) - set(before)
    theirs = (".flock", "-wal", "-shm")  # a reader of the database makes the latter two
    assert {name for name in new if not name.endswith(theirs)} == {
        "state/reports/" + the_report_name(machine)
    }
    assert {name: after[name] for name in before} == before
    assert the_report(machine)["dry_run"] is True
    assert machine.service.commands == []


def the_report_name(machine):
    (path,) = machine.places.reports.glob("*.json")
    return path.name


def test_two_at_once_is_busy(tmp_path):
    machine = make_machine(tmp_path)
    with FileLock(machine.places.lock, what="self-update"), pytest.raises(Busy, match="running already"):
        machine.update()


def test_a_running_task_puts_it_off(tmp_path):
    machine = make_machine(tmp_path)
    machine.places.tasks.mkdir()
    with FileLock(machine.places.tasks / "tsk_1.jsonl"):
        ended = machine.update()
    assert (ended.end, exit_code(ended)) == (End.SKIPPED, 75)
    assert_at_rest(machine, OLD, schema=1)


def test_windows_and_canary_hold_only_automatic_updates(tmp_path):
    machine = with_changes(make_machine(tmp_path), may_begin=lambda version: "not in the first share")
    assert machine.update(is_automatic=True).record.code == "put-off"
    assert machine.update("tx2", report="b.json").end is End.SUCCEEDED


def test_hold_stops_updates_until_it_is_cleared(tmp_path):
    machine = make_machine(tmp_path)
    remembered.set_hold(machine.places, "a rollback failed", 1)
    with pytest.raises(Refused, match="on hold: a rollback failed"):
        machine.update(is_automatic=True)
    assert remembered.clear_hold(machine.places)
    assert machine.update().end is End.SUCCEEDED


def test_back_to_a_kept_version(tmp_path):
    machine = make_machine(tmp_path, schema=1)
    machine.update()
    ended = machine.update("tx2", kept_version="v1.0.0", report="b.json")
    assert ended.end is End.SUCCEEDED
    assert_at_rest(machine, OLD, schema=1)


def test_a_version_somebody_went_back_from_is_not_taken_by_itself_again(tmp_path):
    machine = make_machine(tmp_path, schema=1)
    machine.update()
    machine.update("tx2", kept_version=OLD, actor="cli", reason="it is slow", report="b.json")
    assert remembered.load_rejected(machine.places).reasons() == {NEW: f"cli went back to {OLD}: it is slow"}
    ended = machine.update("tx3", is_automatic=True, report="c.json")
    assert (ended.end, ended.record.code) == (End.SKIPPED, "version-rejected")
    with pytest.raises(NotFound, match="no version from before"):
        choosing.last_good(machine.places)
    assert machine.update("tx4", kept_version=NEW, report="d.json").end is End.SUCCEEDED
    assert remembered.load_rejected(machine.places).reasons() == {}


def test_the_last_good_version_is_another_one(tmp_path):
    machine = make_machine(tmp_path, schema=1)
    machine.update()
    machine.update("tx2", force=True, report="b.json")
    assert choosing.last_good(machine.places) == OLD


def test_the_log_says_from_where_to_where_and_the_outcome(tmp_path):
    machine = make_machine(tmp_path)
    machine.update()
    assert machine.lines[0] == f"{OLD} -> {NEW}, from https://releases.test/v{NEW}"
    assert machine.lines[-1] == f"{NEW} is well and stays"
    machine.releases.error = PodupError("checksum-missing", "there is no checksum", "is there one?")
    machine.update("tx2", force=True, report="b.json")
    assert machine.lines[-2:] == ["not updated: there is no checksum", "hint: is there one?"]


def test_an_old_program_that_cannot_read_the_database_is_not_started(tmp_path):
    machine = make_machine(tmp_path, schema=2)
    machine.update()

    def refuses(program, copy, patience):
        raise PodupError("database-newer", "the database has schema 2")

    ended = with_changes(machine, dry_start=refuses).update("tx2", kept_version=OLD, report="b.json")
    assert ended.end is End.ABORTED
    assert_at_rest(machine, NEW, schema=2)


def test_a_service_that_does_not_run_is_not_started(tmp_path):
    machine = make_machine(tmp_path)
    machine.service.stop()
    machine.service.commands.clear()
    assert machine.update().end is End.SUCCEEDED
    assert machine.service.commands == []
    assert kept.read_version(machine.places.target) == NEW


class Coming:
    """A service that is on its way up when the update looks; it stands after so many looks."""

    def __init__(self, service, looks):
        self.service, self.left = service, looks

    def __getattr__(self, name):
        return getattr(self.service, name)

    def look(self):
        seen = self.service.look()
        self.left -= 1
        if self.left == 0 and not seen.is_active:
            self.service.start()
        return replace(seen, is_coming=not seen.is_active)


def test_a_service_that_is_coming_up_is_waited_for_and_judged(tmp_path):
    """It would go on with the old program, which it has read already."""
    for behaviour, end in (("good", End.SUCCEEDED), ("mute", End.ROLLED_BACK)):
        machine = make_machine(tmp_path / behaviour, behaviour=behaviour)
        machine.service.stop()
        ended = with_changes(machine, service=Coming(machine.service, 4)).update()
        assert ended.end is end
        assert machine.service.running == (NEW if behaviour == "good" else OLD)


def test_a_service_that_never_comes_up_gets_the_new_program_unjudged(tmp_path):
    """It runs for nobody now, and this may be what mends it."""
    for behaviour, running in (("good", NEW), ("crash", "")):
        machine = make_machine(tmp_path / behaviour, behaviour=behaviour)
        machine.service.stop()
        ended = with_changes(machine, service=Coming(machine.service, 10**6)).update()
        assert (ended.end, machine.service.running) == (End.SUCCEEDED, running)
        assert not remembered.hold_reason(machine.places)


def test_a_rollback_that_fails_three_times_ends_in_hold(tmp_path):
    machine = make_machine(tmp_path, behaviour="crash")
    build(machine.root / "broken-old", OLD, behaviour="mute")
    machine.places.target.write_bytes((machine.root / "broken-old").read_bytes())
    ended = machine.update()
    assert ended.end is End.HELD
    assert kept.read_version(machine.places.target) == OLD
    assert "ERROR_SYSTEM" in "\n".join(machine.lines)
    assert remembered.hold_reason(machine.places)
    assert the_report(machine)["status"] == "failed"
    assert not machine.places.journal.exists()


def test_no_room_is_refused_before_the_download(tmp_path):
    machine = with_changes(make_machine(tmp_path), free_bytes=lambda directory: 1000)
    ended = machine.update()
    assert (ended.record.code, exit_code(ended)) == ("no-room", 3)


def test_the_report_is_written_once_even_after_its_import(tmp_path):
    machine = make_machine(tmp_path)
    ended = machine.update()
    (report,) = list(reports.waiting(machine.places.reports))
    reports.mark_imported(report)
    reports.write(machine.ground, ended.record, ended.end)
    assert list(machine.places.reports.glob("*.json")) == []


def test_a_request_nobody_came_to_read_goes_after_an_hour(tmp_path):
    machine = make_machine(tmp_path)
    old, young = machine.places.request("tx8"), machine.places.request("tx9")
    for path, age_s in ((old, 3700), (young, 5)):
        path.write_text("{}")
        os.utime(path, (machine.ground.clock.now() - age_s,) * 2)
    guard.guard(machine.ground, wait_s=0)
    assert (old.exists(), young.exists()) == (False, True)


def test_a_disk_that_cannot_keep_the_installed_program_ends_the_update_with_a_report(tmp_path):
    machine = make_machine(tmp_path)
    machine.places.releases.write_text("a file where the directory has to be")
    ended = machine.update()
    assert (ended.end, ended.record.code) == (End.ABORTED, "file-write-failed")
    machine.places.releases.unlink()
    assert the_report(machine)["code"] == "file-write-failed"
    assert_at_rest(machine, OLD, schema=1)


def test_a_verdict_that_cannot_be_written_takes_the_new_program_back(tmp_path):
    machine = make_machine(tmp_path)

    def watcher(call):
        is_verdict = call.name == "write" and b'"committing"' in call.data
        if is_verdict:
            raise OSError(errno.EIO, "the disk")

    with trace.watched(watcher):
        ended = machine.update()
    assert (ended.end, ended.record.code) == (End.ROLLED_BACK, "file-write-failed")
    assert_at_rest(machine, OLD, schema=1)


def test_a_good_update_is_finished_though_the_disk_refused_once(tmp_path):
    machine = make_machine(tmp_path)
    refused = []

    def watcher(call):
        if call.name == "create" and call.path.endswith("update-history.jsonl") and not refused:
            refused.append(call)
            raise OSError(errno.ENOSPC, "no room")

    with trace.watched(watcher):
        ended = machine.update()
    assert refused
    assert ended.end is End.SUCCEEDED
    assert_at_rest(machine, NEW, schema=2)
    assert the_report(machine)["status"] == "succeeded"


def test_an_update_finished_after_a_power_cut_keeps_as_many_versions_as_configured(tmp_path):
    machine = make_machine(tmp_path)
    ended = machine.update()
    for version in ("0.8.0", "0.9.0"):
        kept.path_of(machine.places, version).write_bytes(b"")
    journal.store(machine.places.journal, replace(ended.record, state=State.COMMITTING))
    guard.guard(replace(machine.ground, keep_versions=3), wait_s=0)
    assert kept.versions(machine.places) == [NEW, OLD, "0.9.0"]
    journal.store(machine.places.journal, replace(ended.record, state=State.COMMITTING))
    guard.guard(replace(machine.ground, keep_versions=2), wait_s=0)
    assert kept.versions(machine.places) == [NEW, OLD]


def test_an_update_from_nowhere_is_refused_as_a_check_of_it_is() -> None:
    assert reports.exit_code_of(End.ABORTED, "no-release-repo") == 3
