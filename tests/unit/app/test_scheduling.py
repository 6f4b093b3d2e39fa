"""`scheduler` as a process of its own: alone, beside a daemon, and when neither can be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from simulated_host import IMAGE, WEB, Host

from podup.app import scheduling
from podup.app.local import LocalApi
from podup.core.states import Status
from podup.errors import EXIT_BUSY, Busy


class DaemonsApi:
    """The API of a daemon that started one task."""

    has_daemon = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []

    def call(self, method: str, path: str, *, query: Any = None, body: Any = None) -> Mapping[str, Any]:
        self.asked.append((method, path, body))
        started = [{"unit": WEB, "task_id": "tsk_1"}]
        skipped = [{"unit": "api.service", "reason": "it is stopped"}]
        says = "1 started, 1 left alone"
        return {"mode": "services", "message": says, "started": started, "skipped": skipped, "error": ""}

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        return iter(())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path, {"PODUP_SCHEDULER_MODE": "services"})
    yield made
    made.close()


def test_alone_it_takes_every_task_to_its_end_before_it_waits(host: Host) -> None:
    said: list[str] = []
    began_s = host.clock.now()
    host.machine.push(IMAGE, "v2")
    code = scheduling.run(
        host.loaded,
        host.clock,
        interval_s=600,
        most=2,
        say=said.append,
        find=lambda loaded, clock: LocalApi(host.built, loaded, clock),
    )
    (task,) = host.tasks()
    assert (code, task.status, host.version()) == (0, Status.SUCCEEDED, "v2")
    assert task.trigger.source == "scheduler"
    assert said == [
        "tick (services): 1 started",
        f"  {WEB}: task {task.id}",
        "tick (services): nothing to start",
    ]
    assert 600 <= host.clock.now() - began_s < 1300


def test_beside_a_daemon_it_asks_that_one_and_tells_what_it_did(host: Host) -> None:
    said: list[str] = []
    api = DaemonsApi()
    code = scheduling.run(
        host.loaded, host.clock, interval_s=0, most=1, say=said.append, find=lambda *_: api
    )
    assert code == 0
    assert api.asked == [("POST", "/api/scheduler/tick", {"caller": "scheduler"})]
    assert said[1:] == [f"  {WEB}: task tsk_1", "  api.service: left alone, it is stopped"]


def test_what_stands_in_the_way_is_told_and_the_next_tick_comes(host: Host) -> None:
    said: list[str] = []
    answers: list[Any] = [Busy("state-in-use", "it is in use by pid 4", "stop it"), DaemonsApi()]

    def find(*_: object) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    code = scheduling.run(host.loaded, host.clock, interval_s=5, most=2, say=said.append, find=find)
    assert (code, said[0]) == (0, "it is in use by pid 4 (stop it)")
    answers.append(Busy("state-in-use", "still in use"))
    code = scheduling.run(host.loaded, host.clock, interval_s=5, most=1, say=said.append, find=find)
    assert (code, said[-1]) == (EXIT_BUSY, "still in use")
