"""Ticks over a simulated host: what they start, what they leave alone, and when they come."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from simulated_host import IMAGE, WEB, Host

from podup.core.cron import parse_cron
from podup.core.states import Status
from podup.engine.control import request_stop
from podup.engine.scheduler import NAME, Timetable
from podup.engine.ticks import ACTION, Ticked, Ticker
from podup.errors import Unavailable
from podup.host.run import Command
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.parts import SimulatedUnit
from podup.host.simulator.scenes import container_unit
from podup.records import replace
from podup.store import events, freezes, schedule
from podup.store.db import Connection
from podup.store.events import Event, EventFilter
from podup.store.freezes import Freeze

NewHost = Callable[..., Host]


def ticks_on_record(host: Host) -> list[Event]:
    with host.store.read() as cx:
        found, _ = events.find(cx, EventFilter(action=ACTION))
    return found


def freeze(host: Host, target: str) -> None:
    with host.store.write() as cx:
        freezes.freeze(cx, Freeze(target, host.clock.now(), "a show"))


def unfreeze(host: Host, target: str) -> None:
    with host.store.write() as cx:
        assert freezes.unfreeze(cx, target)


def test_a_push_nobody_told_of_is_deployed_by_the_next_tick(host: Host) -> None:
    host.machine.push(IMAGE, "v2")
    done = host.built.scheduler.tick()
    host.settle()
    ((unit, task_id),) = done.started
    assert unit == WEB
    assert host.task(task_id).status is Status.SUCCEEDED
    assert host.task(task_id).trigger.source == "scheduler"
    assert host.version() == "v2"


def test_a_tick_is_on_record_with_what_it_did(host: Host) -> None:
    host.built.scheduler.tick(caller="cron", reason="nightly")
    host.machine.push(IMAGE, "v2")
    ((_, task_id),) = host.built.scheduler.tick().started
    newest, oldest = ticks_on_record(host)
    assert (newest.status, newest.task_id) == (202, task_id)
    assert newest.meta["started"] == [{"unit": WEB, "task_id": task_id}]
    assert (oldest.status, oldest.meta["started"]) == (200, [])


def test_what_is_up_to_date_makes_no_task(host: Host) -> None:
    assert host.built.scheduler.tick().started == ()
    assert host.tasks() == []


def test_a_quarantined_digest_is_left_alone_until_the_next_push(host: Host) -> None:
    host.machine.push(IMAGE, "v2", "exits")
    host.built.scheduler.tick()
    host.settle()
    assert host.version() == "v1"
    again = host.built.scheduler.tick()
    assert again.started == ()
    assert again.skipped[0][1].startswith("quarantined")
    host.machine.push(IMAGE, "v3")
    host.built.scheduler.tick()
    host.settle()
    assert host.version() == "v3"


def test_a_unit_that_pulls_by_itself_is_told_of_and_makes_no_task(host: Host) -> None:
    unit = container_unit("web", IMAGE, port=8080, traits=SimulatedUnit("web", pull="always"))
    host.change_unit(files=unit.files, pull="always")
    host.machine.push(IMAGE, "v2")
    done = host.built.scheduler.tick()
    assert done.started == ()
    assert done.skipped == ((WEB, f"{WEB} pulls by itself at start, so it could not be taken back"),)


def test_what_a_rule_refused_is_asked_again_after_a_change_or_in_time(host: Host) -> None:
    host.machine.push(IMAGE, "v2")
    with host.machine.open() as machine:
        machine.disk_free = 1
    ((_, task_id),) = host.built.scheduler.tick().started
    host.settle()
    assert (host.task(task_id).status, host.task(task_id).code) == (Status.SKIPPED, "disk-full")
    again = host.built.scheduler.tick()
    assert again.started == ()
    assert f"told by task {task_id}; nothing has changed since" in again.skipped[0][1]
    host.machine.push(IMAGE, "v3")
    ((_, task_id),) = host.built.scheduler.tick().started
    host.settle()
    assert host.built.scheduler.tick().started == ()
    host.clock.sleep(3601)
    with host.machine.open() as machine:
        machine.disk_free = 1 << 40
    assert host.built.scheduler.tick().started
    host.settle()
    assert host.version() == "v3"


def test_what_a_rule_refused_is_not_asked_again_by_a_new_process(host: Host) -> None:
    def tick() -> Ticked:
        return Ticker(host.built.engine, host.built.scheduler.ticker.rules).tick()

    host.machine.push(IMAGE, "v2")
    with host.machine.open() as machine:
        machine.disk_free = 1
    ((_, task_id),) = tick().started
    host.settle()
    assert host.task(task_id).code == "disk-full"
    assert [tick().started for _ in range(3)] == [(), (), ()]
    assert len(host.tasks()) == 1


def test_a_frozen_unit_has_one_task_that_is_held_visibly_and_goes_on(host: Host) -> None:
    freeze(host, WEB)
    host.machine.push(IMAGE, "v2")
    ((_, task_id),) = host.built.scheduler.tick().started
    host.settle()
    assert host.task(task_id).status is Status.PENDING
    assert host.task(task_id).message == f"held: {WEB} is frozen: a show"
    again = host.built.scheduler.tick()
    assert again.started == ()
    assert task_id in again.skipped[0][1]
    assert "frozen" in again.skipped[0][1]
    unfreeze(host, WEB)
    host.settle()
    assert host.task(task_id).status is Status.SUCCEEDED
    assert host.version() == "v2"


def test_a_stopped_unit_stays_stopped(host: Host) -> None:
    host.machine.push(IMAGE, "v2")
    host.machine.run(Command(("systemctl", "--user", "stop", "--", WEB), mutates=True))
    assert host.built.scheduler.tick().started == ()
    assert host.version() == ""


def test_only_allowed_images_are_deployed(new_host: NewHost) -> None:
    host = new_host(PODUP_SCHEDULER_MODE="services", PODUP_ALLOWED_IMAGES="ghcr.io/other/*")
    host.machine.push(IMAGE, "v2")
    done = host.built.scheduler.tick()
    assert done.skipped == ((WEB, "its image is not among the allowed images"),)


def test_a_registry_that_is_gone_is_told_and_nothing_is_started(host: Host) -> None:
    with host.machine.open() as machine:
        machine.registry = "gone"
    done = host.built.scheduler.tick()
    assert done.started == ()
    assert "refused" in done.skipped[0][1]


def test_a_young_image_waits_for_its_cool_down_with_one_task(new_host: NewHost) -> None:
    host = new_host(PODUP_SCHEDULER_MODE="services", PODUP_COOLDOWN="600")
    host.machine.push(IMAGE, "v2")
    ((_, task_id),) = host.built.scheduler.tick().started
    host.settle()
    assert host.task(task_id).status is Status.PENDING
    assert host.version() == "v1"
    assert host.built.scheduler.tick().started == ()
    host.clock.sleep(601)
    host.settle()
    assert host.task(task_id).status is Status.SUCCEEDED
    assert host.version() == "v2"


def test_a_closed_window_postpones_to_its_opening(new_host: NewHost) -> None:
    host = new_host('[[windows]]\nopen = "03:00-04:00"\n', PODUP_SCHEDULER_MODE="services")
    host.machine.push(IMAGE, "v2")
    ((_, task_id),) = host.built.scheduler.tick().started
    host.settle()
    waiting = host.task(task_id)
    assert waiting.status is Status.PENDING
    assert datetime.fromtimestamp(waiting.not_before, UTC).strftime("%H:%M") == "03:00"
    host.clock.sleep(waiting.not_before - host.clock.now())
    host.settle()
    assert host.version() == "v2"


class Asked:
    """A store in whose first transaction somebody else was a moment earlier."""

    def __init__(self, host: Host, first: Callable[[], object]) -> None:
        self.read = host.store.read
        self._host = host
        self._first = [first]

    def write(self) -> AbstractContextManager[Connection]:
        if self._first:
            self._first.pop()()
        return self._host.store.write()


@pytest.mark.parametrize("force", [False, True])
def test_a_stop_asked_for_while_a_task_is_being_put_off_is_not_lost(
    new_host: NewHost, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    host = new_host('[[windows]]\nopen = "03:00-04:00"\n', PODUP_SCHEDULER_MODE="services")
    host.machine.push(IMAGE, "v2")
    ((_, task_id),) = host.built.scheduler.tick().started
    dispatcher = host.built.dispatcher
    dispatcher.turn()

    def stop() -> None:
        assert host.task(task_id).status is Status.RUNNING
        with host.store.write() as cx:
            request_stop(cx, task_id, force=force, clock=host.clock, state_dir=host.state)

    monkeypatch.setattr(dispatcher, "_store", Asked(host, stop))
    host.settle()
    host.clock.sleep(86400.0)
    host.settle()
    assert host.task(task_id).status is Status.CANCELLED
    assert host.version() == "v1"


def test_auto_update_mode_runs_the_unit_and_watches_it_to_its_end(new_host: NewHost) -> None:
    host = new_host(PODUP_SCHEDULER_MODE="auto-update")
    host.machine.push(IMAGE, "v2")
    ((unit, task_id),) = host.built.scheduler.tick().started
    host.settle()
    assert unit == "podman-auto-update.service"
    assert host.task(task_id).status is Status.SUCCEEDED
    assert host.version() == "v2"


def test_auto_update_mode_waits_for_its_window(new_host: NewHost) -> None:
    host = new_host('[[windows]]\nopen = "03:00-04:00"\n', PODUP_SCHEDULER_MODE="auto-update")
    assert host.built.scheduler.tick().started == ()
    assert opening(host) == "03:00"
    wait_s = host.built.scheduler.last().next_at - host.clock.now()
    assert turns(host, wait_s) == 0
    host.built.scheduler.turn()
    assert len(host.tasks(Status.PENDING)) == 1


def test_a_window_between_two_moments_of_cron_is_met(new_host: NewHost) -> None:
    config = '[[windows]]\nopen = "03:00-04:00"\n'
    host = new_host(config, PODUP_SCHEDULER_MODE="auto-update", PODUP_SCHEDULER_CRON="0 2 * * *")
    host.built.scheduler.tick()
    assert opening(host) == "03:00"
    assert 1 <= turns(host, 86400.0) <= 2
    assert len(host.tasks(Status.PENDING)) == 1


def test_auto_update_mode_does_not_bring_back_what_is_quarantined(new_host: NewHost) -> None:
    host = new_host(PODUP_SCHEDULER_MODE="auto-update")
    host.machine.push(IMAGE, "v2", "exits")
    assert host.deploy().status is Status.ROLLED_BACK
    shown = host.service()
    assert (shown.update_state, shown.update_reason) == (
        "update_available",
        "what the registry has is quarantined",
    )
    done = host.built.scheduler.tick()
    assert done.started == ()
    assert done.skipped[0][1] == "it would deploy what is quarantined for web.service"
    assert host.version() == "v1"


def test_auto_update_mode_does_not_start_what_is_under_way(new_host: NewHost) -> None:
    host = new_host(PODUP_SCHEDULER_MODE="auto-update")
    assert host.built.scheduler.tick().started
    assert "is pending" in host.built.scheduler.tick().skipped[0][1]


def opening(host: Host) -> str:
    """Return the time of day of the next tick."""
    return host.clock.local(host.built.scheduler.last().next_at).strftime("%H:%M")


def turns(host: Host, seconds: float, *, step_s: float = 100.0) -> int:
    """Let time pass in steps; how many ticks came."""
    before = len(ticks_on_record(host))
    end_s = host.clock.now() + seconds
    while host.clock.now() < end_s:
        host.built.scheduler.turn()
        host.clock.sleep(step_s)
    return len(ticks_on_record(host)) - before


def test_ticks_come_at_the_interval(host: Host) -> None:
    assert turns(host, 9000) == 10


def test_a_restart_neither_forgets_nor_repeats_a_tick(host: Host) -> None:
    assert turns(host, 500) == 1
    host.restart()
    assert turns(host, 400) == 0
    assert turns(host, 400) == 1


def test_a_long_sleep_is_made_up_for_by_one_tick(host: Host) -> None:
    turns(host, 500)
    host.clock.sleep(86400)
    assert turns(host, 800) == 1


class Full:
    """A store on a full disk."""

    def __init__(self, host: Host) -> None:
        self.read = host.store.read

    def write(self) -> None:
        raise Unavailable("db-write-failed", "the disk is full", "free some room")


def test_a_tick_that_cannot_be_noted_is_not_made_again_at_once(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = host.built.scheduler
    monkeypatch.setattr(scheduler.ticker, "_engine", replace(host.built.engine, store=Full(host)))
    assert 0.0 < scheduler.turn() <= 60.0
    host.clock.sleep(60.0)
    with pytest.raises(Unavailable):
        scheduler.turn()
    assert scheduler.turn() == 60.0


class SetClock(ManualClock):
    """A clock somebody sets: the wall jumps, the monotonic one does not."""

    shift_s = 0.0

    def now(self) -> float:
        return super().now() + self.shift_s


@pytest.mark.parametrize("jump_s", [-10 * 365 * 86400.0, 10 * 365 * 86400.0])
def test_a_clock_that_is_set_loses_no_tick_and_makes_no_burst(host: Host, jump_s: float) -> None:
    host.clock.__class__ = SetClock  # the same clock everywhere, now one that can be set
    turns(host, 500)
    host.clock.shift_s = jump_s
    assert 9 <= turns(host, 9000) <= 11


def test_jitter_makes_ticks_late_within_its_bounds(new_host: NewHost) -> None:
    host = new_host(PODUP_SCHEDULER_MODE="services", PODUP_SCHEDULER_JITTER_SECS="300")
    host.built.scheduler.tick()
    with host.store.read() as cx:
        last = schedule.tick(cx, NAME)
    assert last.last_at + 900 <= last.next_at <= last.last_at + 1200


def test_cron_ticks_in_local_time(tmp_path: Path) -> None:
    clock = ManualClock()
    due_s = Timetable(900, parse_cron("30 3 * * *")).after(clock.now(), clock)
    assert clock.local(due_s).strftime("%H:%M") == "03:30"
