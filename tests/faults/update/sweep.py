"""Updates of the simulated machine with one fault at one effect, and how the machine has to look afterwards.

A faulty run is a process of its own. A witness in it looks at every effect: a whole program of ours stands at
the target, nothing else can be executed, and a try was counted before it is made.
"""

import errno
import os
import shutil
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from update_simulator import NEW, OLD, ROWS, Machine, delivered, make_machine

from podup.errors import PodupError
from podup.files import Spool, trace
from podup.update import guard, kept, remembered

MACHINES = {"happy": {"behaviour": "good"}, "rollback": {"behaviour": "migration-raises"}}
DISK_ERRORS = ("ENOSPC", "EIO", "EROFS")
_NOT_THE_DISK = ("service-stop", "service-start")
_OTHERS_FILES = ("-shm", "-wal", "service.json", ".flock", ".lock", "acknowledged")
_LEFTOVERS = (".new.", ".tmp", ".aside", ".damaged", "update-request-")

Work = Callable[[Path], None]
Act = Callable[[trace.Call], None]


class Broken(Exception):
    """The witness saw a promise broken."""


@dataclass
class Witness:
    """Looks at the machine right before every effect."""

    machine: Machine
    programs: frozenset[str]

    @classmethod
    def of(cls, root: Path) -> "Witness":
        machine = make_machine(root)
        places = machine.places
        known = (places.target, places.old, root / "published.pyz")
        return cls(machine, frozenset(kept.digest(path) for path in known))

    def look(self) -> None:
        places = self.machine.places
        present = kept.digest(places.target)
        if present not in self.programs or not os.access(places.target, os.X_OK):
            raise Broken("no whole program of ours at the target")
        for path in (*places.target.parent.iterdir(), *places.releases.glob("*.pyz")):
            is_scratch = path.name.startswith(".")
            if not is_scratch and os.access(path, os.X_OK) and kept.digest(path) not in self.programs:
                raise Broken(f"{path} can be executed and was not verified")
        is_new = present == kept.digest(self.machine.root / "published.pyz")
        seen = remembered.load_rejected(places)
        has_ended = any(entry.outcome == "succeeded" for entry in remembered.history(places))
        if is_new and not has_ended and not seen.attempts.get(NEW) and NEW not in seen.versions:
            good = kept.good(places)
            if good is None or good.version != NEW:
                raise Broken("it is tried without having been counted")


def kill(call: trace.Call) -> None:
    """Die right before the effect."""
    os.kill(os.getpid(), signal.SIGKILL)


def failing(name: str) -> Act:
    """Return what lets the disk refuse an effect with that errno."""

    def refuse(call: trace.Call) -> None:
        if call.name not in _NOT_THE_DISK:
            raise OSError(getattr(errno, name), name)

    return refuse


def run_update(root: Path) -> None:
    make_machine(root).update()


def run_recovery(root: Path) -> None:
    make_machine(root).power_cycle()


def settle(root: Path) -> None:
    """The service lived on; a temporary file from before the journal goes at its next start."""
    machine = make_machine(root)
    machine.settle()
    guard.guard(machine.ground, wait_s=0)


def in_child(root: Path, work: Work, at: int, act: Act, *, on: bool = False) -> int:
    """Run `work` in a process in which `act` happens in place of effect `at`, with `on` of all later ones.

    Returns its wait status: exit 0 done, 1 refused with an error of ours; anything else is a fault of ours.
    """
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 0
    try:
        witness = Witness.of(root)

        def watcher(call: trace.Call) -> None:
            witness.look()
            if call.number == at or (on and call.number > at):
                act(call)

        with trace.watched(watcher):
            work(root)
        witness.look()
    except PodupError:
        code = 1
    except BaseException:
        traceback.print_exc()
        code = 98
    os._exit(code)


def count_effects(root: Path, work: Work) -> int:
    """Run `work` undisturbed and return how many effects it has."""
    seen: list[int] = []
    with trace.watched(lambda call: seen.append(call.number)):
        work(root)
    return len(seen)


def fresh(tmp_path: Path, name: str, path: str) -> Path:
    """Return a machine of its own before its update, on the happy path or the way back."""
    template = tmp_path / f"template-{path}"
    if not template.exists():
        make_machine(template, **MACHINES[path])
    return copied(template, tmp_path / name)


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, copy_function=shutil.copy2)
    return target


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(_OTHERS_FILES)
    }


def assert_at_rest(root: Path, *, set_aside: tuple[str, ...] = ()) -> str:
    """Hold the machine against S1 to S6; return the version it rests on. `set_aside` may be there."""
    machine = make_machine(root)
    places = machine.places
    version = kept.read_version(places.target)
    assert version in (OLD, NEW)
    assert machine.service.running == version
    shape = machine.ground.database.look(places.database)
    assert shape.problems == () and shape.rows["things"] == ROWS
    assert shape.schema == (1 if version == OLD else 2)
    assert "name" in shape.columns["things"]
    assert not places.journal.exists()
    left = [path.name for path in root.rglob("*") if any(mark in path.name for mark in _LEFTOVERS)]
    assert sorted(left) == sorted(set_aside)
    assert not places.scratch.exists()
    assert len(list(places.reports.glob("*"))) <= 1
    assert len(remembered.history(places)) <= 1
    assert set(machine.service.acknowledged) <= set(delivered(places.database))
    assert len(Spool(places.spool)) == 0
    before = tree(root)
    machine.power_cycle()
    guard.guard(machine.ground, wait_s=0)
    assert tree(root) == before
    return version
