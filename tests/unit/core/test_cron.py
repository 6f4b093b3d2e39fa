"""Cron expressions against crontab(5), through both changes of the clock."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from podup.core.cron import next_time, parse_cron
from podup.core.local_time import Local


def zone(name: str) -> Local:
    return lambda moment: datetime.fromtimestamp(moment, ZoneInfo(name))


def utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def following(
    text: str, after: str, *, count: int = 1, local: Callable[[float], datetime] = utc
) -> list[str]:
    moment: float = datetime.fromisoformat(after).timestamp()
    found = []
    for _ in range(count):
        moment = next_time(parse_cron(text), moment, local)
        found.append(local(moment).strftime("%m-%d %H:%M %z"))
    return found


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("*/30 * * * *", "2026-01-01T00:00:00Z", ["01-01 00:30 +0000", "01-01 01:00 +0000"]),
        ("*/30 * * * *", "2026-01-01T00:29:59.5Z", ["01-01 00:30 +0000"]),
        ("0 */6 * * *", "2026-01-01T18:00:00Z", ["01-02 00:00 +0000", "01-02 06:00 +0000"]),
        ("15,45 8-10 * * mon-fri", "2026-01-02T10:45:00Z", ["01-05 08:15 +0000"]),
        ("0 0 29 feb *", "2026-01-01T00:00:00Z", ["02-29 00:00 +0000"]),
        (
            "0 0 13 * 5",
            "2026-01-01T00:00:00Z",
            ["01-02 00:00 +0000", "01-09 00:00 +0000", "01-13 00:00 +0000"],
        ),
        ("0 0 * * 7", "2026-01-01T00:00:00Z", ["01-04 00:00 +0000"]),
        (
            "5/20 0 * * *",
            "2026-01-01T00:00:00Z",
            ["01-01 00:05 +0000", "01-01 00:25 +0000", "01-01 00:45 +0000"],
        ),
        ("@daily", "2026-01-01T00:00:00Z", ["01-02 00:00 +0000"]),
        ("0 12 1-7 * */7", "2026-01-01T13:00:00Z", ["01-04 12:00 +0000"]),
    ],
)
def test_next(text: str, after: str, expected: list[str]) -> None:
    assert following(text, after, count=len(expected)) == expected


def test_a_time_the_clock_skips_runs_when_it_jumps() -> None:
    berlin = zone("Europe/Berlin")
    times = following("30 2 * * *", "2026-03-28T12:00:00Z", count=2, local=berlin)
    assert times == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_a_time_the_clock_repeats_runs_once() -> None:
    berlin = zone("Europe/Berlin")
    times = following("30 2 * * *", "2026-10-24T12:00:00Z", count=2, local=berlin)
    assert times == ["10-25 02:30 +0200", "10-26 02:30 +0100"]


def test_an_expression_of_every_hour_follows_the_real_clock() -> None:
    berlin = zone("Europe/Berlin")
    autumn = following("*/30 * * * *", "2026-10-25T00:30:00Z", count=4, local=berlin)
    assert autumn == ["10-25 02:00 +0100", "10-25 02:30 +0100", "10-25 03:00 +0100", "10-25 03:30 +0100"]
    spring = following("*/30 * * * *", "2026-03-29T00:00:00Z", count=3, local=berlin)
    assert spring == ["03-29 01:30 +0100", "03-29 03:00 +0200", "03-29 03:30 +0200"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("* * * *", "five fields"),
        ("60 * * * *", "minute: '60' is not from 0 to 59"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "weekday"),
        ("*/0 * * * *", "no step"),
        ("5-1 * * * *", "runs backwards"),
        ("a * * * *", "minute"),
        ("0 0 31 feb *", "has a day 31"),
        ("@often", "five fields"),
        ("* * * * mon,", "weekday"),
        ("-1 * * * *", "minute"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_cron(text)
