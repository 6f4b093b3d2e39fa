"""Sliding windows."""

from podup.core.rates import Rate, kept_for, retry_after

TWO_IN_TEN = Rate(2, 10)


def test_room_is_there_until_the_count_is_reached() -> None:
    assert retry_after([], 100, TWO_IN_TEN) == 0
    assert retry_after([95], 100, TWO_IN_TEN) == 0
    assert retry_after([95, 99], 100, TWO_IN_TEN) == 5
    assert retry_after([95, 99], 105, TWO_IN_TEN) == 0


def test_waiting_as_told_is_enough() -> None:
    times = [0.25, 3.5, 7.75]
    wait = retry_after(times, 8.0, Rate(3, 10))
    assert wait == 3
    assert retry_after(times, 8.0 + wait, Rate(3, 10)) == 0


def test_every_rate_must_agree() -> None:
    times = [1, 2, 3, 50, 99]
    assert retry_after(times, 100, TWO_IN_TEN) == 0
    assert retry_after(times, 100, TWO_IN_TEN, Rate(5, 200)) == 101


def test_a_clock_set_back_blocks_for_one_window_at_most() -> None:
    assert retry_after([5000, 6000], 100, TWO_IN_TEN) == 10


def test_what_no_rate_needs_is_dropped() -> None:
    assert kept_for([1, 50, 95], 100, TWO_IN_TEN, Rate(1, 60)) == [50, 95]
