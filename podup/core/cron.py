"""Cron expressions: five fields, and when they next match.

Source: crontab(5) of Vixie cron. Fields are minute, hour, day of month, month, day of week, each `*`, a
value, a range `a-b`, a list, with a step `/n`; months and days have names (`jan`, `mon`), 0 and 7 are
Sunday. When both days are restricted either may match. Times are the wall clock's: what daylight saving
skips runs at the first moment after the gap, what it repeats runs once (each time for every-hour ones).
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from podup.core.local_time import Local, moment_of, moments_of
from podup.records import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LARGEST_SHIFT = timedelta(hours=3)  # clocks are set by at most two hours
_HORIZON_DAYS = 366 * 8 + 2  # 29 February can be eight years away (2096 to 2104)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression: the values each field allows, and whether a day field is a star."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def is_day(self, date: datetime) -> bool:
        """Return whether the expression matches at some time of this day."""
        in_month = date.day in self.days
        in_week = date.isoweekday() % 7 in self.weekdays
        either = in_month and in_week if self.any_day or self.any_weekday else in_month or in_week
        return date.month in self.months and either


def parse_cron(text: str) -> Cron:
    """Return the expression; raises ValueError with what was wrong, and for one that never matches."""
    fields = _MACROS.get(text.strip().lower(), text).lower().split()
    if len(fields) != 5:
        raise ValueError(f"want five fields (minute hour day month weekday), not {len(fields)}")
    minutes = _values(fields[0], 0, 59, what="minute")
    hours = _values(fields[1], 0, 23, what="hour")
    days = _values(fields[2], 1, 31, what="day")
    months = _values(fields[3], 1, 12, what="month", names=_MONTHS)
    weekdays = frozenset(day % 7 for day in _values(fields[4], 0, 7, what="weekday", names=_DAYS))
    any_day, any_weekday = fields[2].startswith("*"), fields[4].startswith("*")
    longest = max(_longest(month) for month in months)
    if min(days) > longest and (any_weekday or any_day):
        raise ValueError(f"no month it names has a day {min(days)}")
    return Cron(text, minutes, hours, days, months, weekdays, any_day, any_weekday)


def _longest(month: int) -> int:
    return 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31


def _values(field: str, low: int, high: int, *, what: str, names: tuple[str, ...] = ()) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        base, slash, step_text = part.partition("/")
        if slash and not re.fullmatch(r"[1-9]\d{0,2}", step_text, re.ASCII):
            raise ValueError(f"{what}: {part!r} has no step from 1 on")
        first, last = _ends(base, low, high, what=what, names=names, is_stepped=bool(slash))
        found |= set(range(first, last + 1, int(step_text or 1)))
    return frozenset(found)


def _ends(
    base: str, low: int, high: int, *, what: str, names: tuple[str, ...], is_stepped: bool
) -> tuple[int, int]:
    if base == "*":
        return low, high
    first_text, dash, last_text = base.partition("-")
    first = _number(first_text, low, high, what=what, names=names)
    if not dash:
        return first, high if is_stepped else first
    last = _number(last_text, low, high, what=what, names=names)
    if last < first:
        raise ValueError(f"{what}: {base!r} runs backwards")
    return first, last


def _number(text: str, low: int, high: int, *, what: str, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + (low if what == "month" else 0)
    if not re.fullmatch(r"\d{1,2}", text, re.ASCII) or not low <= int(text) <= high:
        raise ValueError(f"{what}: {text!r} is not from {low} to {high}")
    return int(text)


def next_time(cron: Cron, after: float, local: Local) -> int:
    """Return the first match after `after`, both Unix seconds; `local` is the zone (`Clock.local`).

    Raises ValueError when there is none within eight years.
    """
    now = local(after).replace(tzinfo=None)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(_HORIZON_DAYS):
        if cron.is_day(day):
            for wall in _walls(cron, day):
                if (
                    wall > now - _LARGEST_SHIFT
                    and (found := _first_after(cron, wall, after, local)) is not None
                ):
                    return found
        day += timedelta(days=1)
    raise ValueError(f"{cron.text!r} does not match within eight years")


def _walls(cron: Cron, day: datetime) -> Iterator[datetime]:
    for hour in sorted(cron.hours):
        for minute in sorted(cron.minutes):
            yield day.replace(hour=hour, minute=minute)


def _first_after(cron: Cron, wall: datetime, after: float, local: Local) -> int | None:
    """Return the moment of `wall` when it is after `after`.

    Of a time that comes twice only the first counts, but for expressions of every hour: they go on by the
    real clock.
    """
    moments = moments_of(wall, local) if len(cron.hours) == 24 else ()
    return next((m for m in moments or (moment_of(wall, local),) if m > after), None)
