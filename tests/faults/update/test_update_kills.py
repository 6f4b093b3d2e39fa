"""A self-update killed at every effect, and its recovery killed as well.

Each case is a process of its own that is ended by SIGKILL right before effect N. Then the power comes
back: the service manager starts the service until it stands. The machine has to rest on the old program or
the new one, database and code together, nothing left over; and recovering once more changes nothing.
"""

import os
import shutil
from pathlib import Path

import pytest
from sweep import (
    MACHINES,
    assert_at_rest,
    copied,
    count_effects,
    fresh,
    in_child,
    kill,
    run_recovery,
    run_update,
    settle,
)
from update_simulator import NEW, OLD, make_machine

from podup.update import journal, kept
from podup.update.states import State


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


def standing(root: Path) -> tuple[object, ...]:
    """What recovery goes by: where the update stands, which program and database are there."""
    machine = make_machine(root)
    places = machine.places
    seen = journal.load(places.journal)
    found = (kept.digest(places.target), machine.ground.database.look(places.database).schema)
    if not isinstance(seen, journal.Record):
        return (seen, *found)
    return (seen.state, seen.may_start, seen.tries, *found)


@pytest.mark.slow
@pytest.mark.parametrize("path", MACHINES)
def test_recovery_killed_as_well(tmp_path, path, request):
    """At every effect of it, from one kill in each state of the journal; `--full`: from every kill."""
    is_full = request.config.getoption("--full")
    count = count_effects(fresh(tmp_path, "count", path), run_update)
    known = set()
    for first in range(1, count + 1):
        killed = fresh(tmp_path, f"killed-{first}", path)
        in_child(killed, run_update, first, kill)
        state = standing(killed)
        if is_full or state not in known:
            known.add(state)
            probe = copied(killed, tmp_path / "probe")
            steps = count_effects(probe, run_recovery)
            shutil.rmtree(probe)
            for second in range(1, steps + 1):
                root = copied(killed, tmp_path / f"twice-{first}-{second}")
                assert os.WIFSIGNALED(in_child(root, run_recovery, second, kill))
                run_recovery(root)
                assert_at_rest(root)
                shutil.rmtree(root)
        shutil.rmtree(killed)
    states = {state[0] for state in known} - {None}
    assert states >= set(State) - {State.ROLLING_BACK if path == "happy" else State.COMMITTING}
