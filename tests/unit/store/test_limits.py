"""Sliding windows: full ones say how long to wait."""

from podup.store import limits
from podup.store.db import Connection
from podup.store.limits import Window


def test_a_full_window_says_when_there_is_room_again(cx: Connection) -> None:
    def hit(at: float) -> float:
        return limits.take(cx, "image:a", (Window(2, 10.0),), now_s=at)

    assert [hit(0.0), hit(4.0), hit(5.0), hit(9.5)] == [0.0, 0.0, 5.0, 0.5]
    assert hit(10.0) == 0.0
    assert hit(13.9) > 0
    assert limits.take(cx, "image:b", (Window(2, 10.0),), now_s=5.0) == 0.0


def test_the_longest_wait_of_several_windows_holds_and_a_refused_hit_is_not_recorded(cx: Connection) -> None:
    windows = (Window(1, 10.0), Window(2, 100.0))
    assert limits.take(cx, "b", windows, now_s=0.0) == 0.0
    assert limits.take(cx, "b", windows, now_s=1.0) == 9.0
    assert limits.take(cx, "b", windows, now_s=20.0) == 0.0
    assert limits.take(cx, "b", windows, now_s=40.0) == 60.0
    assert limits.wait(cx, "b", windows, now_s=100.0) == 0.0


def test_no_limit_and_hits_from_the_future(cx: Connection) -> None:
    assert limits.take(cx, "b", (Window(0, 10.0),), now_s=5000.0) == 0.0
    assert limits.take(cx, "b", (Window(1, 10.0),), now_s=1.0) == 0.0


def test_stale_hits_are_counted_and_dropped(cx: Connection) -> None:
    for bucket, at in (("a", 1.0), ("a", 2.0), ("b", 1.0), ("b", 50.0)):
        limits.record(cx, bucket, now_s=at)
    assert limits.count_older(cx, 10.0) == (3, 1)
    assert limits.delete_older(cx, 10.0, limit=2) == 2
    assert limits.delete_older(cx, 10.0, limit=2) == 1
    assert limits.count_older(cx, 10.0) == (0, 0)
