"""What the machine fails at is held against no release, and every attempt is bounded all the same."""

import errno

import pytest
from update_simulator import NEW, OLD, SqliteDatabase, build, make_machine, with_changes

from podup.files import trace
from podup.records import replace
from podup.update import guard, kept, remembered
from podup.update.reports import exit_code_of
from podup.update.states import End
from podup.update.world import Shape


def assert_untouched(machine):
    places = machine.places
    assert kept.read_version(places.target) == machine.service.running == "1.0.0"
    assert machine.ground.database.look(places.database).schema == 1
    assert not places.journal.exists() and not places.scratch.exists()


def test_a_dry_start_the_machine_failed_is_made_again(tmp_path):
    """The disk was full: that says nothing of the release."""
    machine = make_machine(tmp_path, behaviour="host-fails")
    for name in ("tx1", "tx2", "tx3"):
        ended = machine.update(name, report=f"{name}.json")
        assert (ended.end, ended.record.code) == (End.ABORTED, "put-off")
        assert exit_code_of(ended.end, ended.record.code) == 1
        assert remembered.load_rejected(machine.places).versions == {}
    assert_untouched(machine)
    assert machine.service.commands == []
    build(machine.releases.program, NEW, schema=2)
    assert machine.update("tx4", report="tx4.json").end is End.SUCCEEDED


def test_a_copy_the_machine_cannot_read_says_nothing_of_its_migration(tmp_path):
    machine = make_machine(tmp_path)

    class Unread(SqliteDatabase):
        def look(self, path):
            seen = super().look(path)
            is_migrated_copy = path.parent == machine.places.scratch and seen.schema == 2
            return Shape(0, ("disk I/O error",), is_unread=True) if is_migrated_copy else seen

    ended = with_changes(machine, ground=replace(machine.ground, database=Unread())).update()
    assert (ended.end, ended.record.code) == (End.ABORTED, "put-off")
    assert remembered.load_rejected(machine.places).versions == {}
    assert_untouched(machine)


@pytest.mark.parametrize("where", ["database", "target"])
def test_a_trial_on_a_full_disk_is_taken_back_and_made_once_more(tmp_path, where):
    """Attempts are bounded all the same: each of them stops the service."""
    machine = make_machine(tmp_path, behaviour="crash")
    full = str({"database": machine.places.database, "target": machine.places.target}[where].parent)

    def watcher(call):
        if call.name == "write" and call.path.startswith(full) and len(call.data) >= 1024 * 1024:
            raise OSError(errno.ENOSPC, "no room")

    for attempt, rejected in enumerate(([], [NEW]), 1):
        with trace.watched(watcher):
            ended = machine.update(f"tx{attempt}", report=f"{attempt}.json")
        assert (ended.end, ended.record.code) == (End.ROLLED_BACK, "host-unfit")
        assert "No space left" in ended.record.message and "was restarted" in ended.record.message
        assert list(remembered.load_rejected(machine.places).versions) == rejected
    assert_untouched(machine)


def test_a_disk_that_refuses_the_switch_says_nothing_of_the_release(tmp_path):
    machine = make_machine(tmp_path)

    def watcher(call):
        if call.name == "rename" and call.path.endswith(".new.tx1"):
            raise OSError(errno.EROFS, "read-only")

    with trace.watched(watcher):
        ended = machine.update()
    assert (ended.end, ended.record.code) == (End.ROLLED_BACK, "file-write-failed")
    assert remembered.load_rejected(machine.places).versions == {}
    assert machine.update("tx2", report="b.json").end is End.SUCCEEDED


def test_a_dry_start_that_is_not_done_in_time_is_made_again_with_more(tmp_path):
    """A loaded host is no fault of the release."""
    machine = make_machine(tmp_path, behaviour="needs-patience-4")
    for attempt in (1, 2):
        ended = machine.update(f"tx{attempt}", report=f"{attempt}.json")
        assert (ended.end, ended.record.code) == (End.ABORTED, "put-off")
        assert f"try {attempt} of 3" in ended.record.message
    assert_untouched(machine)
    assert machine.service.commands == []
    assert machine.update("tx3", report="3.json").end is End.SUCCEEDED
    assert remembered.load_rejected(machine.places) == remembered.Rejected()


def test_a_program_that_never_gets_through_its_dry_start_is_given_up(tmp_path):
    machine = make_machine(tmp_path, behaviour="needs-patience-8")
    for attempt, code in enumerate(("put-off", "put-off", "release-no-good", "version-rejected"), 1):
        assert machine.update(f"tx{attempt}", report=f"{attempt}.json").record.code == code
    assert "did not end in time (3 tries)" in remembered.load_rejected(machine.places).reasons()[NEW]
    remembered.release(machine.places, NEW)
    again = machine.update("tx5", report="5.json")
    assert "try 1 of 3" in again.record.message, "released, it begins anew"
    assert_untouched(machine)


def test_what_was_put_off_is_left_alone_for_a_while_by_automatic_updates(tmp_path):
    machine = make_machine(tmp_path, behaviour="host-fails")
    assert machine.update(is_automatic=True).record.code == "put-off"
    machine.ground.clock.sleep(200)
    waits = machine.update("tx2", is_automatic=True, report="b.json")
    assert (waits.end, exit_code_of(waits.end, waits.record.code)) == (End.SKIPPED, 0)
    assert f"{NEW} was put off, for another 2 min: its dry start failed" in waits.record.message
    machine.ground.clock.sleep(100)
    assert machine.update("tx3", is_automatic=True, report="c.json").end is End.ABORTED
    assert_untouched(machine)


def test_the_wait_grows_to_six_hours_and_a_clock_that_was_set_back_ends_it(tmp_path):
    places = make_machine(tmp_path).places
    for count in range(1, 12):
        remembered.put_off(places, NEW, "no room", 1000, in_doubt=False)
        wait_s = min(300 * 2 ** (count - 1), 21600)
        assert remembered.why_not_yet(places, NEW, 1000 + wait_s - 1)
        assert not remembered.why_not_yet(places, NEW, 1000 + wait_s)
    assert not remembered.why_not_yet(places, NEW, 900)
    assert not remembered.why_not_yet(places, "1.2.0", 1001)
    assert remembered.times_put_off(places, "1.2.0").count == 0


def test_a_service_somebody_stopped_in_its_trial_says_nothing_of_the_release(tmp_path):
    machine = make_machine(tmp_path)

    class Stopped:
        def __getattr__(self, name):
            return getattr(machine.service, name)

        def look(self):
            seen = machine.service.look()
            is_new = machine.service.running == NEW
            return replace(seen, is_active=False, is_stopped=True) if is_new else seen

    machine = with_changes(machine, service=Stopped())
    for attempt, rejected in enumerate(([], [NEW]), 1):
        ended = machine.update(f"tx{attempt}", report=f"{attempt}.json")
        assert (ended.end, ended.record.code) == (End.ROLLED_BACK, "interrupted")
        assert "somebody stopped the service" in ended.record.message
        assert list(remembered.load_rejected(machine.places).versions) == rejected, "bounded all the same"
    assert_untouched(machine)


def test_bytes_that_are_no_program_any_more_are_replaced_before_a_start(tmp_path):
    machine = make_machine(tmp_path)
    places = machine.places
    places.target.write_bytes(b"torn")
    guard.guard(machine.ground, wait_s=0)
    assert places.target.read_bytes() == b"torn", "nothing is known to be good yet"
    build(places.target, OLD)
    machine.update()
    good = places.target.read_bytes()
    by_hand = build(machine.root / "by-hand", "3.0.0").read_bytes()
    for found, left in ((good[:100], good), (b"", good), (by_hand, by_hand)):
        places.target.write_bytes(found)
        guard.guard(machine.ground, wait_s=0)
        assert places.target.read_bytes() == left
    assert f"ERROR_SYSTEM: {places.target} was no program any more" in machine.lines[-1]
    assert f"the known good {NEW} is put back" in machine.lines[-1]
