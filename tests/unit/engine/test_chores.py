"""Duties at their times; what one is refused does not keep the others from being done."""

from __future__ import annotations

from collections.abc import Callable

from simulated_host import Host

from podup.engine.chores import Chores, Duty
from podup.errors import Unavailable


class Diary:
    """Duties that note when they were done, in seconds since the start."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.started_s = host.clock.monotonic()
        self.done: list[tuple[str, float]] = []
        self.said: list[str] = []

    def work(self, name: str, again_s: float | None = None) -> Callable[[], float | None]:
        def note() -> float | None:
            self.done.append((name, self.host.clock.monotonic() - self.started_s))
            return again_s

        return note

    def chores(self, *duties: Duty) -> Chores:
        return Chores(duties, self.host.store, self.host.clock, say=self.said.append)

    def pass_time(self, chores: Chores, seconds: float) -> int:
        """Do what is due for so long; how often it woke."""
        end_s, turns = self.host.clock.monotonic() + seconds, 0
        while self.host.clock.monotonic() < end_s:
            self.host.clock.sleep(max(chores.turn(), 0.001))
            turns += 1
        return turns


def test_each_duty_comes_at_its_time(host: Host) -> None:
    diary = Diary(host)
    chores = diary.chores(
        Duty("often", 100, diary.work("often")), Duty("seldom", 250, diary.work("seldom"), first_s=50)
    )
    diary.pass_time(chores, 320)
    assert [(name, round(at)) for name, at in diary.done] == [
        ("often", 0), ("seldom", 50), ("often", 100), ("often", 200), ("often", 300), ("seldom", 300),
    ]  # fmt: skip


def test_a_duty_may_say_when_it_wants_to_come_again(host: Host) -> None:
    diary = Diary(host)
    diary.pass_time(diary.chores(Duty("outbox", 300, diary.work("outbox", 30))), 100)
    assert len(diary.done) == 4


def test_a_hurried_duty_comes_with_the_next_turn(host: Host) -> None:
    diary = Diary(host)
    chores = diary.chores(Duty("outbox", 300, diary.work("outbox")))
    chores.turn()
    chores.hurry("outbox")
    chores.turn()
    assert len(diary.done) == 2


def test_what_a_duty_is_refused_is_told_once_and_the_others_go_on(host: Host) -> None:
    diary = Diary(host)

    def fail() -> None:
        raise Unavailable("gone", "podman is gone", "install it")

    chores = diary.chores(Duty("bad", 100, fail), Duty("good", 100, diary.work("good")))
    diary.pass_time(chores, 250)
    assert diary.said == ["chore bad: podman is gone (install it)"]
    assert len(diary.done) == 3


def test_a_kept_duty_is_not_done_again_by_a_restart(host: Host) -> None:
    diary = Diary(host)
    daily = Duty("daily", 86400, diary.work("daily"), kept=True)
    diary.chores(daily).turn()
    host.clock.sleep(3600)
    diary.chores(daily).turn()
    assert len(diary.done) == 1
    diary.pass_time(diary.chores(daily), 86400)
    assert [round(at) for _, at in diary.done] == [0, 86400]


def test_an_idle_daemon_seldom_wakes_for_chores(host: Host) -> None:
    diary = Diary(host)
    chores = diary.chores(Duty("services", 300, diary.work("services")))
    assert diary.pass_time(chores, 3600) <= 13
