"""A self-update killed, or failed by the disk, at every effect; and its recovery killed as well.

Each case is a process of its own that is ended by SIGKILL right before effect N. Then the power comes
back: the service manager starts the service until it stands. The machine has to rest on the old program or
the new one, database and code together, nothing left over; and recovering once more changes nothing.
"""

import errno
import os
import shutil
import signal
import traceback
from pathlib import Path

import pytest
from update_simulator import NEW, OLD, ROWS, make_machine

from podup.errors import PodupError
from podup.files import trace
from podup.update import guard, kept, remembered

MACHINES = {"happy": {"behaviour": "good"}, "rollback": {"behaviour": "migration-raises"}}


def run_update(root: Path) -> None:
    make_machine(root).update()


def run_recovery(root: Path) -> None:
    make_machine(root).power_cycle()


def settle(root: Path) -> None:
    """The service lived on; a temporary file from before the journal goes at its next start."""
    machine = make_machine(root)
    machine.settle()
    guard.guard(machine.ground, wait_s=0)


def in_child(root: Path, work, at: int, act) -> int:
    """Run `work` in a process in which `act` happens in place of effect `at`; return its wait status."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    places = make_machine(root).places
    programs = {kept.digest(places.target), kept.digest(root / "published.pyz"), kept.digest(places.old)}
    code = 0
    try:

        def watcher(call: trace.Call) -> None:
            if kept.digest(places.target) not in programs:
                os._exit(99)
            if call.number == at:
                act(call)

        with trace.watched(watcher):
            work(root)
    except PodupError:
        code = 1
    except BaseException:
        traceback.print_exc()
        code = 98
    os._exit(code)


def kill(call: trace.Call) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full_disk(call: trace.Call) -> None:
    if call.name in ("create", "write", "mkdir", "link", "rename", "fsync"):
        raise OSError(errno.ENOSPC, "no space left on device")


def count_effects(root: Path, work) -> int:
    seen = []
    with trace.watched(lambda call: seen.append(call.number)):
        work(root)
    return len(seen)


def fresh(tmp_path: Path, name: str, path: str) -> Path:
    template = tmp_path / f"template-{path}"
    if not template.exists():
        make_machine(template, **MACHINES[path])
    root = tmp_path / name
    shutil.copytree(template, root, copy_function=shutil.copy2)
    return root


def tree(root: Path) -> dict[str, bytes]:
    ignored = ("-shm", "-wal", "service.json", ".flock", ".lock")
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(ignored)
    }


def assert_at_rest(root: Path, *, versions=(OLD, NEW)) -> str:
    machine = make_machine(root)
    places = machine.places
    version = kept.read_version(places.target)
    assert version in versions
    assert machine.service.running == version
    shape = machine.ground.database.look(places.database)
    assert shape.problems == () and shape.rows["things"] == ROWS
    assert shape.schema == (1 if version == OLD else 2)
    assert "name" in shape.columns["things"]
    assert not places.journal.exists()
    marks = (".new.", ".tmp", ".aside", ".damaged")
    assert [p.name for p in root.rglob("*") if any(mark in p.name for mark in marks)] == []
    assert not places.scratch.exists()
    assert len(list(places.reports.glob("*"))) <= 1
    assert len(remembered.history(places)) <= 1
    before = tree(root)
    machine.power_cycle()
    guard.guard(machine.ground, wait_s=0)
    assert tree(root) == before
    return version


@pytest.mark.parametrize("path", MACHINES)
def test_killed_at_every_effect(tmp_path, path):
    count = count_effects(fresh(tmp_path, "count", path), run_update)
    assert count > 40
    rested = []
    for number in range(1, count + 1):
        root = fresh(tmp_path, f"kill-{number}", path)
        status = in_child(root, run_update, number, kill)
        assert os.WIFSIGNALED(status), f"effect {number}: {status}"
        run_recovery(root)
        rested.append(assert_at_rest(root))
        shutil.rmtree(root)
    if path == "happy":
        assert rested[0] == OLD and rested[-1] == NEW
        assert rested == sorted(rested), "once new, always new"
    else:
        assert set(rested) == {OLD}


@pytest.mark.parametrize("path", MACHINES)
def test_only_the_updater_is_killed_and_the_service_lives(tmp_path, path):
    count = count_effects(fresh(tmp_path, "count", path), run_update)
    for number in range(1, count + 1, 2):
        root = fresh(tmp_path, f"kill-{number}", path)
        in_child(root, run_update, number, kill)
        settle(root)
        assert_at_rest(root)
        shutil.rmtree(root)


@pytest.mark.parametrize("path", MACHINES)
def test_the_next_update_recovers_what_was_killed(tmp_path, path):
    count = count_effects(fresh(tmp_path, "count", path), run_update)
    for number in range(1, count + 1, 3):
        root = fresh(tmp_path, f"kill-{number}", path)
        in_child(root, run_update, number, kill)
        machine = make_machine(root)
        machine.update("tx2", report="second.json", actor="again")
        assert not machine.places.journal.exists()
        assert kept.read_version(machine.places.target) == (NEW if path == "happy" else OLD)
        assert machine.service.running == kept.read_version(machine.places.target)
        shutil.rmtree(root)


@pytest.mark.parametrize("path", MACHINES)
def test_a_full_disk_at_every_effect(tmp_path, path):
    count = count_effects(fresh(tmp_path, "count", path), run_update)
    for number in range(1, count + 1):
        root = fresh(tmp_path, f"full-{number}", path)
        status = in_child(root, run_update, number, full_disk)
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, 1), f"effect {number}: {status}"
        settle(root)
        assert_at_rest(root)
        shutil.rmtree(root)


@pytest.mark.slow
@pytest.mark.parametrize("path", MACHINES)
def test_recovery_killed_as_well(tmp_path, path):
    count = count_effects(fresh(tmp_path, "count", path), run_update)
    for first in range(1, count + 1, 4):
        killed = fresh(tmp_path, f"killed-{first}", path)
        in_child(killed, run_update, first, kill)
        probe = tmp_path / "probe"
        shutil.copytree(killed, probe)
        steps = count_effects(probe, run_recovery)
        shutil.rmtree(probe)
        for second in range(1, steps + 1, 3):
            root = tmp_path / f"twice-{first}-{second}"
            shutil.copytree(killed, root)
            in_child(root, run_recovery, second, kill)
            run_recovery(root)
            assert_at_rest(root)
            shutil.rmtree(root)
        shutil.rmtree(killed)
