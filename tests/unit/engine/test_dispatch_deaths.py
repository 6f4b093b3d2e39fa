"""Task processes: what is written down of them, and those that die before they can write a word."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import astuple

import pytest
from simulated_host import IMAGE, WEB, Host

from podup.app import task as task_process
from podup.core.secrets import Redactor
from podup.core.states import Status, Trigger
from podup.engine.control import request_stop
from podup.engine.dispatch import MAX_ATTEMPTS, Dispatcher
from podup.engine.record import Record
from podup.engine.snapshot import TaskFiles
from podup.errors import Invalid, PodupError
from podup.files import JournalWriter
from podup.host.processes import ProcessIdentity, identify, is_alive
from podup.host.simulator.scenes import container_unit
from podup.recipes.actions import RestartUnit
from podup.recipes.verbs import Step
from podup.records import replace
from podup.store import image_locks, services


class Stillborn:
    """Every process is gone at once, as with a snapshot that another version wrote."""

    def __init__(self) -> None:
        self.started = 0

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        self.started += 1

    def stop(self, task_id: str) -> None:
        pass

    def is_alive(self, task_id: str) -> bool:
        return False

    def reap(self) -> bool:
        return False


class Lasting(Stillborn):
    """A process works until it is ended; that it begins is written when `begin` is called."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.ended = 0
        self._host = host
        self._alive = ""
        self._writing: JournalWriter | None = None

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        super().start(task_id, argv)
        self._alive = task_id

    def begin(self) -> None:
        me = identify(os.getpid())
        assert me is not None
        self._writing = JournalWriter(TaskFiles(self._host.state, self._alive).journal)
        Record(self._writing, self._host.clock, Redactor(())).begin(me, version="0.1.0", attempt=self.started)

    def stop(self, task_id: str) -> None:
        self.ended += 1
        self._alive = ""
        if self._writing is not None:
            self._writing.close()

    def is_alive(self, task_id: str) -> bool:
        return self._alive == task_id


class Many(Stillborn):
    """Processes that hold their journals until all are closed."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self._writing: list[JournalWriter] = []

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        self._writing.append(JournalWriter(TaskFiles(self._host.state, task_id).journal))

    def close(self) -> None:
        for writing in self._writing:
            writing.close()


class Refusing(Stillborn):
    """systemd-run does not answer in time, as on a machine that swaps."""

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        super().start(task_id, argv)
        raise PodupError("unit-start-failed", "it was too slow")


def locks_shown(host: Host) -> Sequence[image_locks.ImageLock]:
    with host.store.read() as cx:
        return image_locks.held(cx)


def test_what_a_task_holds_names_its_process(host: Host) -> None:
    dispatcher = host.work_with(Stillborn())
    task = host.deploy()
    me = identify(os.getpid())
    assert me is not None
    with JournalWriter(TaskFiles(host.state, task.id).journal) as sink:
        Record(sink, host.clock, Redactor(())).begin(me, version="0.1.0", attempt=1)
        dispatcher.turn()
        locks = locks_shown(host)
    assert [lock.bucket for lock in locks] == ["image:ghcr.io/acme/web", "unit:web.service"]
    for lock in locks:
        assert (lock.owner, lock.pid, lock.start_time, lock.boot_id) == (task.id, *astuple(me))


def test_two_units_of_one_image_are_deployed_one_after_the_other(host: Host) -> None:
    beside, other = container_unit("beside", IMAGE), container_unit("other", "ghcr.io/acme/api:1")
    host.machine.add(beside, other)
    host.built.engine.catalogue.find()
    processes = Many(host)
    dispatcher = host.work_with(processes)
    with host.store.write() as cx:
        for unit in (WEB, "beside.service", "other.service"):
            intent = host.built.engine.catalogue.deploy(host.service(unit))
            host.built.engine.intake.submit(cx, intent, Trigger("webhook"))
    dispatcher.turn()
    assert sorted(task.unit for task in host.tasks(Status.RUNNING)) == ["other.service", WEB]
    assert [task.unit for task in host.tasks(Status.PENDING)] == ["beside.service"]
    processes.close()


def somebody_else(who: str) -> ProcessIdentity:
    """Return the process of another day whose number is free, or is this living process's by now."""
    me = identify(os.getpid())
    assert me is not None
    return {
        "dead": replace(me, pid=1 << 30),
        "recycled": replace(me, start_time=me.start_time - 1),
        "another boot": replace(me, boot_id="00000000-0000-4000-8000-000000000000"),
    }[who]


@pytest.mark.parametrize("who", ["dead", "recycled", "another boot"])
def test_the_kernel_tells_who_holds_a_task_and_no_number_does(host: Host, who: str) -> None:
    processes = Stillborn()
    dispatcher = host.work_with(processes)
    task = host.deploy()
    with JournalWriter(TaskFiles(host.state, task.id).journal) as sink:
        Record(sink, host.clock, Redactor(())).begin(somebody_else(who), version="0.1.0", attempt=1)
        host.clock.sleep(5)
        dispatcher.turn()
        assert processes.started == 1, "its journal is held"
        shown, _ = locks_shown(host)
        assert not is_alive(ProcessIdentity(shown.pid, shown.start_time, shown.boot_id))
    host.clock.sleep(5)
    dispatcher.turn()
    assert processes.started == 2, "its journal is free"


def turn(host: Host, dispatcher: Dispatcher, times: int) -> None:
    for _ in range(times):
        host.clock.sleep(5)
        dispatcher.turn()


def test_a_forced_stop_ends_what_works_and_not_what_takes_it_back(host: Host) -> None:
    processes = Lasting(host)
    dispatcher = host.work_with(processes)
    task = host.deploy()
    processes.begin()
    host.clock.sleep(5)
    with host.store.write() as cx:
        request_stop(cx, task.id, force=True, clock=host.clock, state_dir=host.state)
    turn(host, dispatcher, 3)
    assert (processes.ended, processes.started) == (1, 2)
    processes.begin()
    turn(host, dispatcher, 3)
    turn(host, host.work_with(processes), 3)
    assert (processes.ended, processes.started) == (1, 2)
    assert host.task(task.id).status is Status.RUNNING
    processes.stop(task.id)


def test_a_process_that_cannot_be_started_is_tried_again(host: Host) -> None:
    dispatcher = host.work_with(Refusing())
    task = host.deploy()
    assert "trying again" in host.task(task.id).message
    working = host.work_with(Lasting(host))
    turn(host, working, 2)
    assert host.task(task.id).status is Status.RUNNING
    assert dispatcher.ended_count == working.ended_count == 0


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_process_that_can_never_be_started_is_given_up(host: Host, has_begun: bool) -> None:
    processes = Refusing()
    dispatcher = host.work_with(processes)
    task = host.deploy()
    if has_begun:
        with JournalWriter(TaskFiles(host.state, task.id).journal) as sink:
            record = Record(sink, host.clock, Redactor(()))
            record.step(1, Step("restart web.service", RestartUnit(WEB)), "apply")
    turn(host, dispatcher, 2 * MAX_ATTEMPTS)
    ended = host.task(task.id)
    assert (ended.status, processes.started) == (Status.FAILED, MAX_ATTEMPTS)
    with host.store.read() as cx:
        assert (WEB in services.needing_operator(cx)) is has_begun
    assert locks_shown(host) == []


def test_a_task_whose_process_never_says_a_word_is_given_up(host: Host) -> None:
    processes = Stillborn()
    dispatcher = host.work_with(processes)
    task = host.deploy()
    for _ in range(3 * MAX_ATTEMPTS):
        host.clock.sleep(5)
        dispatcher.turn()
    ended = host.task(task.id)
    assert (ended.status, ended.code, processes.started) == (Status.FAILED, "given-up", MAX_ATTEMPTS)
    assert not TaskFiles(host.state, task.id).snapshot.exists()


@pytest.mark.parametrize("task_id", ["../../etc/passwd", "tsk_", "tsk_a/b", "-rf", ""])
def test_what_is_no_id_is_no_task(host: Host, task_id: str) -> None:
    with pytest.raises(Invalid) as refused:
        task_process.run(task_id, host.state, host.clock)
    assert refused.value.code == "task-id"
