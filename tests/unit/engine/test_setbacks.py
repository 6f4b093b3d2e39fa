"""What goes wrong with one task stops that task and no other: nothing is swallowed, nothing spins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from simulated_host import WEB, Host

from podup.api.live import TaskFeed
from podup.core.states import Status, Trigger
from podup.engine.setbacks import LASTS_S
from podup.engine.snapshot import TaskFiles
from podup.files import JournalWriter
from podup.host.simulator.scenes import container_unit
from podup.server.sse import Hub
from podup.store import image_locks, services
from podup.store.tasks import Task

OTHER = "other.service"


class Silent:
    """Processes that are said to live until they are ended, and write nothing by themselves."""

    def __init__(self) -> None:
        self.alive: set[str] = set()
        self.children = False

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        self.alive.add(task_id)

    def stop(self, task_id: str) -> None:
        self.alive.discard(task_id)

    def is_alive(self, task_id: str) -> bool:
        return task_id in self.alive

    def reap(self) -> bool:
        return self.children


@pytest.fixture
def processes() -> Silent:
    return Silent()


@pytest.fixture
def two(host: Host, processes: Silent) -> tuple[Task, Task]:
    """Return two running tasks, in the order in which they are looked after."""
    host.machine.add(container_unit("other", "ghcr.io/acme/api:1"))
    host.built.engine.catalogue.find()
    host.work_with(processes)
    submitted = [submit(host, unit) for unit in (WEB, OTHER)]
    host.built.dispatcher.turn()
    return host.task(submitted[0].id), host.task(submitted[1].id)


def submit(host: Host, unit: str) -> Task:
    with host.store.write() as cx:
        intent = host.built.engine.catalogue.deploy(host.service(unit))
        return host.built.engine.intake.submit(cx, intent, Trigger("webhook"))


def write(host: Host, task: Task, *records: dict[str, Any]) -> None:
    with JournalWriter(TaskFiles(host.state, task.id).journal) as journal:
        for record in records:
            journal.write(record)


def ended(**more: Any) -> dict[str, Any]:
    return {"type": "outcome", "ts": 1.0, "status": "succeeded", "summary": "well", **more}


@contextmanager
def unreadable(host: Host, task: Task) -> Iterator[None]:
    """Stand a directory where the journal is: opening works, reading it is an error of the kernel."""
    journal = TaskFiles(host.state, task.id).journal
    aside = journal.with_suffix(".aside")
    if journal.exists():
        os.rename(journal, aside)
    journal.mkdir()
    try:
        yield
    finally:
        journal.rmdir()
        if aside.exists():
            os.rename(aside, journal)


def turn(host: Host, *, for_s: float) -> int:
    """Turn as the daemon does, waiting as it is told to; return how often."""
    until_s, times = host.clock.monotonic() + for_s, 0
    while host.clock.monotonic() < until_s:
        host.clock.sleep(host.built.dispatcher.turn())
        times += 1
    return times


def test_a_journal_that_cannot_be_read_now_stops_nothing_but_its_task(
    host: Host, two: tuple[Task, Task]
) -> None:
    bad, good = two
    with unreadable(host, bad):
        write(host, good, ended())
        host.built.dispatcher.turn()
        assert host.task(good.id).status is Status.SUCCEEDED
        later = submit(host, OTHER)
        host.built.dispatcher.turn()
        assert host.task(later.id).status is Status.RUNNING
        assert host.task(bad.id).status is Status.RUNNING
        assert "cannot be looked after: IsADirectoryError" in host.task(bad.id).message
        assert [text.splitlines()[0] for text in host.said] == [
            f"task {bad.id} ({WEB}) {host.built.dispatcher.setbacks.newest[bad.id]}"
        ]
        assert "Traceback" in host.said[0]
    write(host, bad, ended())
    turn(host, for_s=10)
    assert (host.task(bad.id).status, host.task(bad.id).message) == (Status.SUCCEEDED, "")
    assert not host.built.dispatcher.setbacks.newest


def test_what_can_be_read_again_is_looked_after_as_if_nothing_had_been(
    host: Host, two: tuple[Task, Task]
) -> None:
    bad, _ = two
    with unreadable(host, bad):
        host.built.dispatcher.turn()
    turn(host, for_s=2)
    assert (host.task(bad.id).status, host.task(bad.id).message) == (Status.RUNNING, "")


def test_a_task_out_of_reach_is_not_tried_without_a_pause(host: Host, two: tuple[Task, Task]) -> None:
    bad, good = two
    write(host, good, ended())
    with unreadable(host, bad):
        assert turn(host, for_s=600) < 40
    assert len(host.said) == 1


def test_what_lasts_is_given_up_when_nobody_works_for_it(
    host: Host, two: tuple[Task, Task], processes: Silent
) -> None:
    bad, _ = two
    with unreadable(host, bad):
        turn(host, for_s=3 * LASTS_S)
        assert host.task(bad.id).status is Status.RUNNING, "its process lives, and holds the unit"
        processes.alive.clear()
        turn(host, for_s=LASTS_S)
    task = host.task(bad.id)
    assert (task.status, task.code) == (Status.FAILED, "given-up")
    assert "IsADirectoryError" in task.summary and "look at the unit by hand" in task.summary
    with host.store.read() as cx:
        assert WEB in services.needing_operator(cx)
        assert f"unit:{WEB}" not in [lock.bucket for lock in image_locks.held(cx)]


@pytest.mark.parametrize(
    "remember",
    [[{"what": "of-another-version", "values": {}}], [{"what": "deployed", "values": {"unit": WEB}}]],
    ids=["unknown", "incomplete"],
)
def test_an_outcome_nobody_can_keep_stops_nothing_but_its_task(
    host: Host, two: tuple[Task, Task], processes: Silent, remember: list[dict[str, Any]]
) -> None:
    bad, good = two
    write(host, bad, ended(remember=remember))
    write(host, good, ended())
    processes.alive.clear()
    host.built.dispatcher.turn()
    assert host.task(good.id).status is Status.SUCCEEDED
    turn(host, for_s=2 * LASTS_S)
    assert (host.task(bad.id).status, host.task(bad.id).code) == (Status.FAILED, "given-up")


def test_lines_that_are_none_of_ours_are_passed_over(host: Host, two: tuple[Task, Task]) -> None:
    bad, _ = two
    write(host, bad, {"type": "begin", "ts": 1.0}, {"x": 1}, {"type": 7}, ended(), {"x": 2})
    host.built.dispatcher.turn()
    assert host.task(bad.id).status is Status.SUCCEEDED
    assert host.said == []


def test_a_task_of_another_version_that_cannot_be_started_lets_the_others_start(
    host: Host, two: tuple[Task, Task], processes: Silent
) -> None:
    for task in two:
        write(host, task, ended())
    host.built.dispatcher.turn()
    torn, good = submit(host, WEB), submit(host, OTHER)
    with host.store.write() as cx:
        foreign = json.dumps({"_": "ServiceParams", "unit_name": WEB})
        cx.execute("UPDATE tasks SET params = ? WHERE id = ?", (foreign, torn.id))
    host.built.dispatcher.turn()
    assert processes.alive >= {good.id}
    assert "could not be started: TypeError" in host.task(torn.id).message
    turn(host, for_s=30)
    assert (host.task(torn.id).status, host.task(torn.id).code) == (Status.FAILED, "not-startable")
    with host.store.read() as cx:
        assert WEB not in services.needing_operator(cx), "nothing was begun"


def test_a_watched_journal_that_cannot_be_read_is_read_again_later(
    host: Host, two: tuple[Task, Task], tmp_path: Path
) -> None:
    bad, _ = two
    hub = Hub()
    feed = TaskFeed(host.built.engine, hub)
    with unreadable(host, bad):
        assert feed._events(bad.id) == []


def test_the_dispatcher_lets_ended_children_go_and_comes_again_while_there_are_some(
    host: Host, two: tuple[Task, Task], processes: Silent
) -> None:
    for task in two:
        write(host, task, ended())
    processes.children = True
    assert host.built.dispatcher.turn() < 1
    processes.children = False
    assert host.built.dispatcher.turn() >= 1
