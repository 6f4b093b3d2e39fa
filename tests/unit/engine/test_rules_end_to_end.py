"""Hooks, freezes and forced deployments through the whole engine, on a simulated host."""

from __future__ import annotations

from collections.abc import Callable

from simulated_host import IMAGE, WEB, Host

from podup.core.states import Status
from podup.engine.control import request_stop
from podup.engine.record import read_records
from podup.engine.snapshot import TaskFiles
from podup.host.simulator.parts import Fault
from podup.store import freezes
from podup.store.freezes import Freeze

NewHost = Callable[..., Host]
BEFORE = '[hooks]\nbefore = ["/bin/true", "--check"]\n'


def freeze(host: Host, target: str = WEB) -> None:
    with host.store.write() as cx:
        freezes.freeze(cx, Freeze(target, host.clock.now(), "a show"))


def changes(host: Host) -> tuple[str, ...]:
    with host.machine.open() as machine:
        return machine.changes


def test_a_pull_may_take_as_long_as_the_settings_say(new_host: NewHost) -> None:
    host = new_host(PODUP_PULL_TIMEOUT_SECS="7200")
    host.machine.push(IMAGE, "v2")
    task = host.deploy()
    records = read_records(TaskFiles(host.state, task.id).journal)
    pulls = [one["action"] for one in records if one["type"] == "step" and one["action"]["_"] == "PullImage"]
    assert [pull["timeout_s"] for pull in pulls] == [7200.0]


def test_a_hook_runs_before_anything_is_changed(new_host: NewHost) -> None:
    host = new_host(BEFORE)
    host.machine.push(IMAGE, "v2")
    task = host.deploy()
    assert task.status is Status.SUCCEEDED
    lines = host.log(task.id)
    assert lines.index(f"run the hook before {WEB}") < next(
        number for number, line in enumerate(lines) if line.startswith("podman tag")
    )


def test_a_failing_hook_stops_a_deployment_before_any_change(new_host: NewHost) -> None:
    host = new_host('[hooks]\nbefore = ["/bin/false"]\n')
    host.machine.push(IMAGE, "v2")
    before = changes(host)
    task = host.deploy()
    assert (task.status, host.version()) == (Status.FAILED, "v1")
    assert "hook" in task.summary
    assert changes(host) == before


def test_a_hook_may_ask_for_later_and_is_asked_again(new_host: NewHost) -> None:
    host = new_host(BEFORE)
    host.machine.push(IMAGE, "v2")
    host.machine.fault(Fault("/bin/true --check", exit=75))
    before = changes(host)
    task = host.deploy()
    assert task.status is Status.PENDING
    assert "asks for later" in task.message
    assert changes(host) == before
    host.clock.sleep(301)
    host.settle()
    assert (host.task(task.id).status, host.version()) == (Status.SUCCEEDED, "v2")


def test_a_failing_hook_afterwards_is_told_and_takes_nothing_back(new_host: NewHost) -> None:
    host = new_host('[hooks]\nafter = ["/bin/false"]\n')
    host.machine.push(IMAGE, "v2")
    task = host.deploy()
    assert (task.status, host.version()) == (Status.SUCCEEDED, "v2")
    assert any("the hook /bin/false failed" in line for line in host.log(task.id))


def test_a_frozen_unit_is_deployed_by_hand_only_with_force(host: Host) -> None:
    freeze(host)
    host.machine.push(IMAGE, "v2")
    refused = host.deploy(source="cli")
    assert (refused.status, refused.code) == (Status.SKIPPED, "frozen")
    assert host.version() == "v1"
    assert host.deploy(source="cli", force=True).status is Status.SUCCEEDED
    assert host.version() == "v2"


def test_deliveries_to_a_frozen_unit_are_held_and_go_on_after_it(host: Host) -> None:
    freeze(host, "")
    host.machine.push(IMAGE, "v2")
    held = host.deploy()
    assert (held.status, held.message) == (Status.PENDING, "held: everything is frozen: a show")
    with host.store.write() as cx:
        freezes.unfreeze(cx, "")
    host.settle()
    assert host.task(held.id).status is Status.SUCCEEDED


def test_a_stop_ends_a_task_that_waits(new_host: NewHost) -> None:
    host = new_host(PODUP_COOLDOWN="600")
    host.machine.push(IMAGE, "v2")
    waiting = host.deploy()
    assert waiting.status is Status.PENDING
    with host.store.write() as cx:
        request_stop(cx, waiting.id, force=False, clock=host.clock, state_dir=host.state)
    host.clock.sleep(700)
    host.settle()
    assert (host.task(waiting.id).status, host.version()) == (Status.CANCELLED, "v1")
