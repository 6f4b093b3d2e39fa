"""Updates where the files lie badly: on file systems of their own, full or read-only, behind a link; with
clocks that jump, beside another updater, and over the locks of processes that are no more.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from namespace import in_memory, read_only, with_own_mounts
from programs import publish, serving
from sweep import MACHINES, assert_at_rest, run_recovery, settle, tree
from test_update_strace import Place
from update_simulator import NEW, OLD, Machine, SimClock, make_machine, with_changes

from podup import records
from podup.errors import Busy, PodupError, Refused
from podup.files import holder
from podup.update import assemble, guard, journal, kept, remembered, reports
from podup.update.states import MAX_ATTEMPTS, End, State

PAGE_KIB = 4


def in_own_mounts(work: Callable[[], None]) -> None:
    if why := with_own_mounts(work):
        pytest.skip(why)


@pytest.mark.parametrize("path", MACHINES)
def test_target_state_and_temporary_files_on_three_devices(tmp_path, path, monkeypatch):
    def work() -> None:
        devices = [in_memory(tmp_path / name, kib=1024) for name in ("m/bin", "m/state", "tmp")]
        assert len({os.stat(one).st_dev for one in devices}) == 3
        machine = placed(tmp_path / "m", **MACHINES[path])
        ended = machine.update()
        assert ended.end is (End.SUCCEEDED if path == "happy" else End.ROLLED_BACK)
        settle(machine.root)
        assert_at_rest(machine.root)
        assert list((tmp_path / "tmp").iterdir()) == []

    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    in_own_mounts(work)


def placed(root: Path, **about: object) -> Machine:
    """Build a machine whose directories are there already."""
    made = make_machine(root.with_name("made"), **about)
    del made
    shutil.copytree(root.with_name("made"), root, dirs_exist_ok=True, copy_function=shutil.copy2)
    return make_machine(root, **about)


@pytest.mark.parametrize("place", ["bin", "state"])
def test_a_directory_that_is_full(tmp_path, place):
    """From no room at all to enough, page by page: it is old or new, and never neither."""

    def work() -> None:
        seen = []
        for pages in (*range(6), *range(6, 60, 9)) if place == "state" else range(4):
            root = tmp_path / str(pages) / "m"
            device = in_memory(root / place, kib=1024)
            machine = placed(root)
            ballast = device / "ballast"
            filled_but_for(ballast, pages * PAGE_KIB * 1024)
            with contextlib.suppress(PodupError):
                machine.update()
            seen.append(kept.read_version(machine.places.target))
            ballast.unlink()
            run_recovery(root)
            assert assert_at_rest(root) in (seen[-1], OLD)
        assert (seen[0], seen[-1]) == (OLD, NEW), seen

    in_own_mounts(work)


def filled_but_for(ballast: Path, free: int) -> None:
    with ballast.open("wb") as file:
        found = os.statvfs(ballast)
        os.posix_fallocate(file.fileno(), 0, max(1, found.f_bavail * found.f_frsize - free))


def test_too_little_room_is_refused_before_the_download(tmp_path):
    def work() -> None:
        in_memory(tmp_path / "m/bin", kib=1024)
        machine = with_changes(placed(tmp_path / "m"), free_bytes=assemble.free_bytes)
        before = kept.digest(machine.places.target)
        ended = machine.update()
        assert (ended.end, ended.record.code) == (End.ABORTED, "no-room")
        assert kept.digest(machine.places.target) == before
        left = {one.name for one in machine.places.target.parent.iterdir()}
        assert left == {machine.places.target.name, machine.places.target_lock.name}

    in_own_mounts(work)


def test_a_directory_that_is_read_only(tmp_path):
    """Nothing is begun; where it became so in the middle of an update, it is taken back once it can be."""

    def work() -> None:
        device = in_memory(tmp_path / "m/bin", kib=1024)
        machine = placed(tmp_path / "m")
        before = tree(machine.root)
        read_only(device, is_on=True)
        with pytest.raises(Refused, match="is not writable"):
            machine.update()
        assert tree(machine.root) == before
        guard.guard(machine.ground, wait_s=0)
        assert machine.service.running == OLD
        read_only(device, is_on=False)

        switched = switching(tmp_path / "m")
        read_only(device, is_on=True)
        with contextlib.suppress(PodupError):
            guard.guard(make_machine(tmp_path / "m").ground, wait_s=0)
        assert kept.digest(machine.places.target) == switched
        read_only(device, is_on=False)
        run_recovery(tmp_path / "m")
        assert assert_at_rest(tmp_path / "m") == OLD

    in_own_mounts(work)


def switching(root: Path) -> str:
    """Have an update killed when the new program is in place; return the digest of what stands there."""

    def die(machine: Machine) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        machine = make_machine(root)
        machine.service.start = lambda: die(machine)
        machine.update()
        os._exit(1)
    os.waitpid(pid, 0)
    machine = make_machine(root)
    assert journal.load(machine.places.journal).state is State.TRIAL
    return kept.digest(machine.places.target)


class JumpingClock(SimClock):
    """Its wall clock is set, by years, each time somebody looks; what it measures goes on steadily."""

    def __init__(self, jump_s: float) -> None:
        super().__init__()
        self.jump_s = jump_s
        self.looks = 0

    def now(self):
        self.looks += 1
        return max(0.0, self.time + self.jump_s * (self.looks if self.jump_s < 0 else self.looks % 3))


@pytest.mark.parametrize("path", MACHINES)
@pytest.mark.parametrize("jump_s", [-400_000_000.0, -3600.0, 3600.0, 1_000_000_000.0])
def test_a_wall_clock_that_is_set_at_every_look(tmp_path, path, jump_s):
    machine = make_machine(tmp_path, **MACHINES[path])
    clock = JumpingClock(jump_s)
    began = clock.monotonic()
    machine = with_changes(machine, ground=replace(machine.ground, clock=clock))
    machine.service.ground = machine.ground
    ended = machine.update()
    assert ended.end is (End.SUCCEEDED if path == "happy" else End.ROLLED_BACK)
    assert clock.looks > 2 and clock.monotonic() - began < 30, "waits go by the other clock"
    (report,) = reports.waiting(machine.places.reports)
    assert isinstance(report, reports.Report)
    settle(tmp_path)
    assert_at_rest(tmp_path)


def test_a_second_report_in_the_same_second_of_a_clock_set_back(tmp_path):
    """A machine without a clock of its own starts in the same second, with the same pids, each time."""
    machine = make_machine(tmp_path)
    for name in ("tx1", "tx2", "tx3"):
        machine.ground.clock.time = 1_000_000.0
        machine.update(name, force=True)
        for report in reports.waiting(machine.places.reports):
            reports.mark_imported(report)
    texts = [json.loads(path.read_bytes()) for path in machine.places.reports.iterdir()]
    assert {text["txid"] for text in texts} == {"tx1", "tx2", "tx3"}


def test_attempts_are_counted_across_boots_whatever_the_clock_says(tmp_path):
    """Each boot begins at the same second with another id; a version that never gets through is given up."""
    for boot in range(MAX_ATTEMPTS):
        machine = make_machine(tmp_path, behaviour="good")
        assert NEW not in remembered.load_rejected(machine.places).versions
        switching(tmp_path)
        machine = make_machine(tmp_path)
        machine = with_changes(machine, ground=replace(machine.ground, boot_id=f"boot {boot}"))
        assert remembered.load_rejected(machine.places).attempts == {NEW: boot + 1}
        machine.power_cycle()
        assert machine.service.running == OLD
    assert NEW in remembered.load_rejected(machine.places).versions
    assert machine.update("tx9").end is End.SKIPPED


def test_two_updaters_at_once(tmp_path):
    """The second process is told who the first is, and takes over when that one dies."""
    make_machine(tmp_path)
    heard, said = os.pipe()
    first = os.fork()
    if first == 0:
        machine = with_changes(make_machine(tmp_path), dry_start=lambda *given: stop_here(said))
        machine.update("tx1")
        os._exit(1)
    try:
        assert os.read(heard, 1) == b"x"
        second = make_machine(tmp_path)
        before = tree(tmp_path)
        with pytest.raises(Busy, match=rf"pid {first} \(self-update\)"):
            second.update("tx2")
        other_state = replace(second.places, state=tmp_path / "other state")
        elsewhere = with_changes(second, ground=replace(second.ground, places=other_state))
        with pytest.raises(Busy, match=rf"pid {first} \(self-update\)"):
            elsewhere.update("tx3")
        assert guard.guard(second.ground, wait_s=0) is guard.Act.LEAVE
        shutil.rmtree(tmp_path / "other state")
        assert tree(tmp_path) == before
    finally:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
    assert second.update("tx4").end is End.SUCCEEDED
    assert [entry.txid for entry in remembered.history(second.places)] == ["tx4", "tx1"]


def stop_here(said: int) -> None:
    os.write(said, b"x")
    signal.pause()


NOTES = {
    "of a dead process": lambda: subprocess.Popen(["true"]),
    "of a recycled pid": lambda: os.getppid(),
    "of another boot": lambda: 1,
}


@pytest.mark.parametrize("whose", NOTES)
def test_a_lock_nobody_holds(tmp_path, whose):
    """The kernel knows who lives; the pids and the boot that stand in the files hold nobody up."""
    root = tmp_path / "m"
    switching_root = make_machine(root).root
    switching(switching_root)
    machine = make_machine(root)
    owner = NOTES[whose]()
    if isinstance(owner, subprocess.Popen):
        owner.wait(30)
    pid = owner if isinstance(owner, int) else owner.pid
    record = journal.load(machine.places.journal)
    journal.store(machine.places.journal, records.replace(record, runner_pid=pid, boot_id="another"))
    note = json.dumps({"pid": pid, "what": "self-update"}).ljust(255) + "\n"
    for lock in (machine.places.lock, machine.places.target_lock, machine.places.daemon_lock):
        lock.write_text(note)
        assert holder(lock) == ""
    machine.places.supervisor.write_text(f"{pid}\n")
    assert not assemble.is_supervised(machine.places)
    run_recovery(root)
    assert assert_at_rest(root) == OLD
    assert machine.update("tx2").end is End.SUCCEEDED


def test_a_target_that_is_a_link(built, newer, tmp_path):
    """The link stays, however long the way; what it leads to is exchanged, with no temporary place."""
    with serving(tmp_path / "mirror") as url:
        publish(tmp_path / "mirror", NEW, newer)
        place = Place(tmp_path / "host", url)
        place.target.parent.mkdir(parents=True)
        real = tmp_path / "elsewhere" / "program.pyz"
        real.parent.mkdir()
        shutil.copy2(built, real)
        middle = tmp_path / "middle"
        middle.symlink_to("elsewhere/program.pyz")
        place.target.symlink_to(middle)
        (tmp_path / "shut").mkdir(mode=0o500)
        with_nowhere = ("env", f"TMPDIR={tmp_path / 'shut' / 'nowhere'}")
        done = place.run(str(place.target), "self-update", before=with_nowhere)
        assert done.returncode == 0, done
        assert kept.read_version(real) == NEW
        assert (place.target.readlink(), middle.readlink()) == (middle, Path("elsewhere/program.pyz"))
        assert kept.read_version(real.with_name("program.pyz.old")) == OLD
        assert sorted(path.name for path in place.target.parent.iterdir()) == [place.target.name]
        done = place.run(str(place.target), "rollback-self", "--last-good", before=with_nowhere)
        assert (done.returncode, kept.read_version(real)) == (0, OLD), done
        assert place.target.is_symlink()
        assert place.run(str(place.target), "boot-guard").returncode == 0
