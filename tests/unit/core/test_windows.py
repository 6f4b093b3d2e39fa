"""Maintenance windows on the wall clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from podup.core.windows import is_open, next_opening, parse_window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        ("daily 02:00-04:00", "2026-01-01T02:00", True),
        ("daily 02:00-04:00", "2026-01-01T03:59", True),
        ("daily 02:00-04:00", "2026-01-01T04:00", False),
        ("22:00-04:00", "2026-01-01T23:00", True),
        ("fri 22:00-04:00", "2026-01-03T03:00", True),
        ("fri 22:00-04:00", "2026-01-02T03:00", False),
        ("sat-mon 00:00-24:00", "2026-01-05T12:00", True),
        ("sat-mon 00:00-24:00", "2026-01-06T12:00", False),
    ],
)
def test_is_open(window: str, now: str, expected: bool) -> None:
    assert is_open([parse_window(window)], at(now)) is expected


def test_without_a_window_it_is_always_open() -> None:
    assert is_open([], at("2026-01-01T00:00"))
    assert next_opening([], 0, utc) is None


def test_next_opening() -> None:
    windows = [parse_window("sun 02:00-03:00"), parse_window("mon 01:00-02:00")]
    moment = next_opening(windows, at("2026-01-01T00:00").timestamp(), utc)
    assert moment is not None
    assert utc(moment).isoformat() == "2026-01-04T02:00:00+00:00"
    following = next_opening(windows, moment, utc)
    assert following is not None
    assert utc(following).isoformat() == "2026-01-05T01:00:00+00:00"


def test_an_opening_the_clock_skips_is_when_it_jumps() -> None:
    def berlin(moment: float) -> datetime:
        return datetime.fromtimestamp(moment, ZoneInfo("Europe/Berlin"))

    moment = next_opening([parse_window("02:30-05:00")], at("2026-03-28T12:00").timestamp(), berlin)
    assert moment is not None
    assert berlin(moment).isoformat() == "2026-03-29T03:00:00+02:00"


@pytest.mark.parametrize(
    "text", ["", "02:00", "02:00-02:00", "24:00-02:00", "25:00-26:00", "someday 02:00-03:00", "a b c"]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_window(text)


@pytest.mark.parametrize("text", ["daily 02:00-04:00", "mon,fri 22:00-24:00"])
def test_a_window_writes_itself_as_it_is_read(text: str) -> None:
    assert str(parse_window(text)) == text
