"""An update whose power is cut anywhere, on a disk that may lose or tear whatever was not synced.

The recorded calls of a whole update are replayed to every state a restart may find; then `boot-guard` and the
program's own start end it. The target has to be the old program or the new one, whole, in each of them.
"""

import contextlib
import shutil
from itertools import count
from pathlib import Path

import pytest
from power_cut import SYNCS, Disk, after_power_cuts, lay_out, note, record
from update_simulator import NEW, OLD, build, make_machine, with_changes

from podup.errors import Refused
from podup.files import trace
from podup.files.trace import Call
from podup.update import boot, guard, journal, kept, swap

SAMPLED = 11  # of some twelve thousand states, every eleventh; `--full` takes all


def machine_without_service(root: Path):
    machine = make_machine(root)
    return with_changes(machine, service=None)


def prepare(root: Path) -> Path:
    """Install the old program; no database, so that every effect is one of `files`."""
    (root / "bin").mkdir(parents=True)
    (root / "state").mkdir()
    build(root / "bin/pod-upgrade-trigger", OLD)
    build(root / "published.pyz", NEW)
    return root


def moved(calls: list[Call], source: Path, target: Path) -> list[Call]:
    def to(path: str) -> str:
        return path.replace(str(source), str(target))

    return [Call(c.number, c.name, to(c.path), to(c.other), c.data, c.offset) for c in calls]


def recorded(tmp_path: Path, work) -> tuple[Path, list[Call]]:
    """Run `work` and return a directory as it was before, with the calls as if made there."""
    live, before = prepare(tmp_path / "live"), tmp_path / "before"
    shutil.copytree(live, before)
    return before, moved(record(lambda: work(live)), live, before)


def version(root: Path) -> str:
    try:
        return kept.read_version(root / "bin/pod-upgrade-trigger")
    except Refused:
        return ""


def update(root: Path) -> None:
    machine_without_service(root).update()
    note("updated")


def recover(root: Path) -> None:
    machine = make_machine(root)
    guard.guard(machine.ground, wait_s=0)
    boot.attend(machine.ground)


def assert_at_rest(root: Path, promises: list[str]) -> str:
    """Recover, and hold what is there against S1 and S2; return the version."""
    assert version(root), "at every instant a whole program stands at the target"
    recover(root)
    found = version(root)
    assert found == NEW or "updated" not in promises
    assert not make_machine(root).places.journal.exists()
    assert not list((root / "bin").glob("*.new.*"))
    return found


def test_a_whole_update_rests_on_the_old_or_the_new(tmp_path, request):
    step = 1 if request.config.getoption("--full") else SAMPLED
    before, calls = recorded(tmp_path, update)
    assert len([call for call in calls if call.name in SYNCS]) > 20
    rested = {OLD: 0, NEW: 0}
    for number, (promises, state) in enumerate(after_power_cuts(Disk(before), calls)):
        if number % step:
            continue
        root = lay_out(state, tmp_path / f"cut{number}")
        rested[assert_at_rest(root, promises)] += 1
        shutil.rmtree(root)
    assert all(rested.values())


def killed(root: Path, at: str) -> None:
    """Leave behind what an update leaves whose process ends when its journal says `at`."""

    def watcher(call: Call) -> None:
        if call.name == "sync_dir" and journal_says(root) == at:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt), trace.watched(watcher):
        machine_without_service(root).update()


def journal_says(root: Path) -> str:
    seen = journal.load(make_machine(root).places.journal)
    return seen.state.value if isinstance(seen, journal.Record) else ""


@pytest.mark.parametrize("at", ["requested", "staged", "snapshot", "switching", "trial", "committing"])
def test_a_power_cut_in_the_recovery(tmp_path, at):
    live = prepare(tmp_path / "live")
    killed(live, at)
    assert journal_says(live) == at
    before = tmp_path / "before"
    shutil.copytree(live, before)
    calls = moved(record(lambda: recover(live)), live, before)
    rested = set()
    for number, (_, state) in enumerate(after_power_cuts(Disk(before), calls)):
        root = lay_out(state, tmp_path / f"cut{number}")
        rested.add(assert_at_rest(root, []))
        shutil.rmtree(root)
    assert rested == {NEW if at == "committing" else OLD}


def switch(root: Path) -> None:
    machine = machine_without_service(root)
    machine.releases.fetch(None, machine.places.new("tx"))
    note("fetched")
    swap.switch(machine.places, "tx")
    note("switched")


def is_switch_kept(root: Path, promises: list[str]) -> bool:
    places = make_machine(root).places
    found = version(root)
    if "fetched" in promises and found == NEW and not kept.digest(places.old):
        return False
    if "fetched" in promises and found == OLD and not kept.digest(places.new("tx")):
        return False
    return found == NEW if "switched" in promises else found in (OLD, NEW)


def test_leaving_out_any_sync_of_the_switch_breaks_a_promise(tmp_path):
    before, calls = recorded(tmp_path, switch)
    numbers = count()

    def is_broken(some: list[Call]) -> bool:
        for promises, state in after_power_cuts(Disk(before), some):
            root = lay_out(state, tmp_path / f"cut{next(numbers)}")
            holds = is_switch_kept(root, promises)
            shutil.rmtree(root)
            if not holds:
                return True
        return False

    assert not is_broken(calls)
    syncs = [index for index, call in enumerate(calls) if call.name in SYNCS]
    assert [calls[i] for i in syncs if not is_broken(calls[:i] + calls[i + 1 :])] == []
