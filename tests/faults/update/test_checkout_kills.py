"""An update of a checkout killed at every effect, between files of the code too.

The simulated checkout is a directory with one program and the name of its commit, changed file by file. A
start that meets it torn fails the test. In the end old or new stands: code, requirements, database.
"""

import os
import shutil
import signal
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from update_simulator import NEW, OLD, ROWS, Machine, about, make_machine

from podup.errors import PodupError
from podup.files import trace
from podup.files.trace import announce
from podup.update import guard, journal, remembered
from podup.update.journal import Build
from podup.update.states import State

COMMITS = {OLD: "a" * 40, NEW: "b" * 40}
PATHS = {"happy": "good", "migration fails": "migration-raises", "pip fails": "good"}


@dataclass
class Code:
    """The `Checkout` protocol over files: `program` is the code, `HEAD` git's, `needs` what pip installed."""

    root: Path
    pip_fails: bool = False

    @property
    def path(self) -> Path:
        return self.root / "code"

    def build(self, commit: str) -> Build:
        version = next(version for version, known in COMMITS.items() if known == commit)
        return Build(f"{version}+g{commit[:12]}", commit)

    def head(self) -> Build:
        return self.build((self.path / "HEAD").read_text())

    def fetch(self, wanted: str) -> Build:
        return self.build(COMMITS[NEW])

    def lay_out(self, commit: Build, directory: Path) -> None:
        announce("lay-out", directory)
        directory.mkdir(parents=True)
        shutil.copy(self.root / "published.pyz", directory / "program")

    def keep(self) -> Path:
        raise NotImplementedError("started by hand here")

    def back_up(self, stamp: int) -> None:
        announce("archive", self.path)
        shutil.copy(self.path / "program", self.root / f"archive-{stamp}")

    def switch(self, after: Build) -> None:
        self._bring(self.root / "published.pyz", after.sha256)
        announce("pip", self.path)
        (self.path / "needs").write_text("in doubt")
        if self.pip_fails:
            raise PodupError("code-switch-failed", "pip failed")
        announce("pip", self.path)
        (self.path / "needs").write_text(after.sha256)

    def restore(self, before: Build, after: Build, stamp: int) -> None:
        self._bring(self.root / f"archive-{stamp}", before.sha256)
        announce("pip", self.path)
        (self.path / "needs").write_text(before.sha256)

    def _bring(self, program: Path, commit: str) -> None:
        announce("code", self.path)
        (self.path / "program").unlink(missing_ok=True)
        announce("code", self.path)
        shutil.copy(program, self.path / "program")
        announce("code", self.path)
        (self.path / "HEAD").write_text(commit)


def machine_of(root: Path, path: str) -> Machine:
    """The simulated machine, its target a checkout; made when there is none."""
    made = make_machine(root, behaviour=PATHS[path])
    code = Code(root, pip_fails=path == "pip fails")
    if not code.path.exists():
        code.path.mkdir()
        shutil.copy(made.places.target, code.path / "program")
        (code.path / "HEAD").write_text(COMMITS[OLD])
        (code.path / "needs").write_text(COMMITS[OLD])
    places = replace_slots(made.places, target=code.path, is_checkout=True)
    ground = replace_slots(made.ground, places=places, checkout=code)
    made.service.ground = ground
    return replace(made, world=replace_slots(made.world, ground=ground))


def replace_slots(record, **changes):
    return record.__class__(**{**{name: getattr(record, name) for name in record.__slots__}, **changes})


def in_child(root: Path, path: str, at: int, work) -> int:
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 0
    try:
        with trace.watched(lambda call: os.kill(os.getpid(), signal.SIGKILL) if call.number == at else None):
            work(machine_of(root, path))
    except PodupError:
        code = 1
    except BaseException:
        traceback.print_exc()
        code = 98
    os._exit(code)


def count_effects(root: Path, path: str, work) -> int:
    seen: list[int] = []
    with trace.watched(lambda call: seen.append(call.number)):
        work(machine_of(root, path))
    return len(seen)


def update(machine: Machine) -> None:
    machine.update()


def recover(machine: Machine) -> None:
    machine.power_cycle()


def assert_at_rest(root: Path, path: str) -> str:
    machine = machine_of(root, path)
    places, code = machine.places, machine.ground.checkout
    version = about(places.target)["version"]
    assert machine.service.running == version
    assert code.head().answers_as == version
    assert (code.path / "needs").read_text() == COMMITS[version]
    shape = machine.ground.database.look(places.database)
    assert shape.problems == () and shape.rows["things"] == ROWS
    assert shape.schema == (1 if version == OLD else 2)
    assert not places.journal.exists()
    assert len(remembered.history(places)) <= 1 and len(list(places.reports.glob("*"))) <= 1
    machine.power_cycle()
    guard.guard(machine.ground, wait_s=0)
    assert about(places.target)["version"] == version and machine.service.running == version
    return version


@pytest.mark.parametrize("path", PATHS)
def test_a_checkout_killed_at_every_effect(tmp_path, path):
    template = tmp_path / "template"
    machine_of(template, path)
    shutil.copytree(template, tmp_path / "count")
    count = count_effects(tmp_path / "count", path, update)
    assert count > 30
    rested = []
    for number in range(1, count + 1):
        root = tmp_path / f"kill-{number}"
        shutil.copytree(template, root, copy_function=shutil.copy2)
        assert os.WIFSIGNALED(in_child(root, path, number, update)), number
        recover(machine_of(root, path))
        rested.append(assert_at_rest(root, path))
        shutil.rmtree(root)
    assert rested[0] == OLD and rested == sorted(rested), "once new, always new"
    assert rested[-1] == (NEW if path == "happy" else OLD)


def test_recovery_of_a_checkout_killed_as_well(tmp_path):
    """From one kill in each state of the journal."""
    path = "migration fails"
    template = tmp_path / "template"
    machine_of(template, path)
    shutil.copytree(template, tmp_path / "count")
    count = count_effects(tmp_path / "count", path, update)
    known = set()
    for first in range(1, count + 1):
        killed = tmp_path / f"killed-{first}"
        shutil.copytree(template, killed, copy_function=shutil.copy2)
        in_child(killed, path, first, update)
        seen = journal.load(machine_of(killed, path).places.journal)
        state = seen and (seen.state, seen.may_start)
        if state in known:
            shutil.rmtree(killed)
            continue
        known.add(state)
        shutil.copytree(killed, tmp_path / "probe")
        steps = count_effects(tmp_path / "probe", path, recover)
        shutil.rmtree(tmp_path / "probe")
        for second in range(1, steps + 1, 2):
            root = tmp_path / f"twice-{first}-{second}"
            shutil.copytree(killed, root, copy_function=shutil.copy2)
            in_child(root, path, second, recover)
            recover(machine_of(root, path))
            assert_at_rest(root, path)
            shutil.rmtree(root)
        shutil.rmtree(killed)
    assert {state[0] for state in known if state} >= set(State) - {State.COMMITTING}
