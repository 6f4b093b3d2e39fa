"""What the machine fails at is held against no release, and every attempt is bounded all the same."""

import errno

import pytest
from update_simulator import NEW, SqliteDatabase, build, make_machine, with_changes

from podup.files import trace
from podup.records import replace
from podup.update import kept, remembered
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
        assert (ended.end, ended.record.code) == (End.ABORTED, "host-unfit")
        assert exit_code_of(ended.end, ended.record.code) == 1
        assert remembered.load_rejected(machine.places) == remembered.Rejected()
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
    assert (ended.end, ended.record.code) == (End.ABORTED, "host-unfit")
    assert remembered.load_rejected(machine.places) == remembered.Rejected()
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
