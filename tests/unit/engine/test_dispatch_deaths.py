"""Task processes that die before they can write a word."""

from __future__ import annotations

from collections.abc import Sequence

from simulated_host import Host

from podup.core.states import Status
from podup.engine.dispatch import MAX_ATTEMPTS, Dispatcher, Launch
from podup.engine.memory import KEEPERS, Memory
from podup.engine.snapshot import TaskFiles
from podup.records import replace


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


def test_a_task_whose_process_never_says_a_word_is_given_up(host: Host) -> None:
    processes = Stillborn()
    dispatcher = Dispatcher(
        host.state,
        host.store,
        clock=host.clock,
        launch=Launch(processes, ("true",)),
        memory=Memory(KEEPERS),
        take_snapshot=host.built.dispatcher._take_snapshot,
    )
    host.built = replace(host.built, dispatcher=dispatcher)
    task = host.deploy()
    for _ in range(3 * MAX_ATTEMPTS):
        host.clock.sleep(5)
        dispatcher.turn()
    ended = host.task(task.id)
    assert (ended.status, ended.code, processes.started) == (Status.FAILED, "given-up", MAX_ATTEMPTS)
    assert not TaskFiles(host.state, task.id).snapshot.exists()
