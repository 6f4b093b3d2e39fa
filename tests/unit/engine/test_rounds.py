"""One thread a duty: rounds go on after a fault, which is told once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from podup.engine import rounds
from podup.engine.rounds import Rounds
from podup.errors import PodupError, Unavailable


class Duty:
    """Raises what it is given, round by round, and then is done."""

    def __init__(self, *faults: Exception | None) -> None:
        self._faults = list(faults)
        self.said: list[str] = []
        self.is_done = threading.Event()

    def work(self) -> float:
        if not self._faults:
            self.is_done.set()
            return 60.0
        fault = self._faults.pop(0)
        if fault is not None:
            raise fault
        return 0.0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Duty], list[str]]:
    monkeypatch.setattr(rounds, "_PAUSE_S", 0.0)

    def run(duty: Duty) -> list[str]:
        thread = Rounds("duty", duty.work, say=duty.said.append)
        thread.start()
        assert duty.is_done.wait(10)
        thread.stop(within_s=10)
        return duty.said

    return run


def full(name: str) -> PodupError:
    return Unavailable("file-write-failed", f"cannot write {name}: no room", "free some")


def test_a_known_fault_is_one_line_told_once(run: Callable[[Duty], list[str]]) -> None:
    said = run(Duty(full(".a.1.tmp"), full(".a.2.tmp")))
    assert said == ["duty: cannot write .a.1.tmp: no room (free some)"]


def test_after_a_good_round_it_is_told_again(run: Callable[[Duty], list[str]]) -> None:
    assert len(run(Duty(full("a"), None, full("a")))) == 2


def test_a_defect_is_told_with_its_trace(run: Callable[[Duty], list[str]]) -> None:
    (told,) = run(Duty(ZeroDivisionError("nothing to divide by")))
    assert told.startswith("duty met a fault:\nTraceback")
    assert "nothing to divide by" in told


def test_waking_cuts_the_wait_short() -> None:
    seen: list[float] = []
    came = threading.Event()

    def work() -> float:
        seen.append(0.0)
        came.set()
        return 3600.0

    thread = Rounds("duty", work, say=print)
    thread.start()
    assert came.wait(10)
    came.clear()
    thread.wake()
    assert came.wait(10)
    thread.stop(within_s=10)
    assert len(seen) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_of_what_no_door_catches_is_noticed() -> None:
    def work() -> float:
        raise SystemExit

    thread = Rounds("duty", work, say=print)
    assert not thread.has_died
    thread.start()
    thread._thread.join(10)
    assert thread.has_died


def test_a_thread_that_was_stopped_has_not_died() -> None:
    thread = Rounds("duty", lambda: 60.0, say=print)
    thread.start()
    assert not thread.has_died
    thread.stop(within_s=10)
    assert not thread.has_died
