"""A flood of refused bodies leaves the newest in the file, written at most once a second."""

from collections.abc import Callable
from pathlib import Path

import pytest

from podup.api.last_payload import LastPayload
from podup.errors import Unavailable


class StepClock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now(self) -> float:
        return self.at_s

    def monotonic(self) -> float:
        return self.at_s


def test_the_newest_of_many_bodies_is_written_once_a_second(tmp_path: Path) -> None:
    clock, path, wakes = StepClock(), tmp_path / "last_payload.bin", list[float]()
    payload = LastPayload(path, clock, wake=lambda: wakes.append(clock.at_s))
    for number in range(100):
        payload.keep(b"first %d" % number)
    assert wakes == [100.0]
    payload.turn()
    assert path.read_bytes() == b"first 99"
    assert path.stat().st_mode & 0o077 == 0

    clock.at_s += 0.25
    payload.keep(b"second")
    assert payload.turn() == 0.75
    assert path.read_bytes() == b"first 99"
    clock.at_s += 0.75
    payload.turn()
    assert path.read_bytes() == b"second"
    assert wakes == [100.0, 100.25]


class BusyClock(StepClock):
    """A clock that lets something happen when it is read for the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], None]] = []

    def monotonic(self) -> float:
        if len(self.meanwhile) == 2:
            self.meanwhile.pop()()
        elif self.meanwhile:
            self.meanwhile.append(self.meanwhile[0])
        return self.at_s


def test_a_body_that_comes_while_one_is_written_is_written_next(tmp_path: Path) -> None:
    clock, path = BusyClock(), tmp_path / "last_payload.bin"
    payload = LastPayload(path, clock, wake=lambda: None)
    payload.keep(b"first")
    clock.meanwhile = [lambda: payload.keep(b"second")]
    assert payload.turn() <= 1.0
    assert path.read_bytes() == b"first"
    clock.meanwhile, clock.at_s = [], clock.at_s + 1.0
    payload.turn()
    assert path.read_bytes() == b"second"


def test_what_finds_no_room_waits_for_it(tmp_path: Path) -> None:
    clock, path = StepClock(), tmp_path / "gone" / "last_payload.bin"
    payload = LastPayload(path, clock, wake=lambda: None)
    path.parent.write_bytes(b"")
    payload.keep(b"body")
    with pytest.raises(Unavailable):
        payload.turn()
    path.parent.unlink()
    path.parent.mkdir()
    clock.at_s += 1.0
    payload.turn()
    assert path.read_bytes() == b"body"
