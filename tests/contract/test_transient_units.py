"""Commands in units of their own: what task processes run in."""

from contextlib import suppress

import pytest
from benches import Bench, Machine

from podup.errors import Busy, PodupError
from podup.host.task_process import SystemdTasks, task_unit


@pytest.fixture
def machine(bench: Bench) -> Machine:
    return Machine(bench)


def test_a_command_runs_and_its_unit_is_forgotten(machine: Machine) -> None:
    unit = "podup-contract-true.service"
    machine.systemd.run_transient(unit, ("/bin/true",), says="a command that ends")
    machine.eventually("it is gone", lambda: not machine.systemd.show(unit)[0].exists)


def test_a_command_that_fails_is_forgotten_too(machine: Machine) -> None:
    unit = "podup-contract-false.service"
    with suppress(PodupError):  # systemd-run ends with 1 when the command has failed before its start is told
        machine.systemd.run_transient(unit, ("/bin/false",))
    machine.eventually("it is gone", lambda: not machine.systemd.show(unit)[0].exists)


def test_two_commands_cannot_have_one_unit(machine: Machine) -> None:
    unit = "podup-contract-sleep.service"
    machine.systemd.run_transient(unit, ("/bin/sleep", "30"), properties=("TimeoutStopSec=5",))
    with pytest.raises(PodupError) as taken:
        machine.systemd.run_transient(unit, ("/bin/sleep", "30"))
    assert taken.value.code == "unit-start-failed"
    assert machine.systemd.show(unit)[0].is_active
    machine.systemd.stop(unit)
    assert not machine.systemd.show(unit)[0].exists
    machine.systemd.stop(unit)


def test_a_killed_command_is_gone(machine: Machine) -> None:
    unit = "podup-contract-kill.service"
    machine.systemd.run_transient(unit, ("/bin/sleep", "30"))
    machine.systemd.kill(unit)
    machine.eventually("it is gone", lambda: not machine.systemd.show(unit)[0].exists)


def test_tasks_have_a_process_each(machine: Machine) -> None:
    tasks = SystemdTasks(machine.systemd)
    one, other = "tsk_abcdefgh", "tsk_bcdefghj"
    assert not tasks.is_alive(one)
    tasks.stop(one)
    tasks.start(one, ("/bin/sleep", "30"))
    tasks.start(other, ("/bin/sleep", "30"))
    with pytest.raises(Busy):
        tasks.start(one, ("/bin/sleep", "30"))
    assert machine.systemd.show(task_unit(one))[0].is_active
    tasks.stop(one)
    assert (tasks.is_alive(one), tasks.is_alive(other)) == (False, True)
    tasks.stop(other)
