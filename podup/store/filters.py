"""Conditions of a listing, and how a page and the exact total are read within a bounded time.

Every condition is answered by an index that holds the columns it names. Few matches are all read in one
pass and sorted here. Many are counted in one pass, and the page is walked to from the newest: along the same
index where that is in order of time, else along the index of time itself, where one of many comes soon.
"""

from collections.abc import Sequence
from typing import Any

from podup.records import dataclass
from podup.store.db import Connection, Row

PER_PAGE = 50
_FEW = 5_000
_SORTED = 100_000
_SAMPLE = 500


class Where:
    """Conditions joined by AND, with their values; empty ones are left out."""

    def __init__(self, *conditions: str) -> None:
        self.conditions = list(conditions)
        self.values: list[Any] = []
        self.prefixes: list[tuple[str, str, str]] = []  # column, first text in, first text out

    def add(self, condition: str, *values: Any) -> None:
        """Want this condition, with a `?` for each value."""
        self.conditions.append(condition)
        self.values.extend(values)

    def equal(self, column: str, value: Any) -> None:
        """Want the column to have this value, unless the value is empty or None."""
        if value not in (None, ""):
            self.add(f"{column} = ?", value)

    def among(self, column: str, values: Sequence[Any]) -> None:
        """Want the column to have one of these values, unless there are none."""
        if values:
            self.add(f"{column} IN ({', '.join('?' * len(values))})", *values)

    def between(self, column: str, start: float | None, end: float | None) -> None:
        """Want start <= column < end; None leaves a side open."""
        for bound, sign in ((start, ">="), (end, "<")):
            if bound is not None:
                self.add(f"{column} {sign} ?", bound)

    def prefix(self, column: str, text: str) -> None:
        """Want the column to begin with this text, unless it is empty; served by an index of the column."""
        if text:
            end = text[:-1] + chr(ord(text[-1]) + 1)
            self.add(f"{column} >= ? AND {column} < ?", text, end)
            self.prefixes.append((column, text, end))

    @property
    def sql(self) -> str:
        """Return `WHERE ...`, or nothing."""
        return "WHERE " + " AND ".join(self.conditions) if self.conditions else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """How to read a table newest first.

    `index` answers the conditions; `is_ordered` when it is in order of `time` under them, else `by_time`
    is. `is_gapless`: the keys of all rows are consecutive numbers in the order they came.
    """

    table: str
    time: str
    index: str
    by_time: str
    is_ordered: bool = True
    is_gapless: bool = False
    key: str = "seq"


def find_page(
    cx: Connection, listing: Listing, where: Where, *, page: int, per_page: int
) -> tuple[list[Row], int]:
    """Return the rows of a page (from 1), newest first, and the number of all matches."""
    start = (page - 1) * per_page
    if not where.conditions:
        return _find_any(cx, listing, start, per_page)
    matching = f"FROM {listing.table} INDEXED BY {listing.index} {where.sql}"
    few = f"SELECT {listing.time}, {listing.key} {matching} LIMIT {_FEW + 1}"
    found = [(row[0], row[1]) for row in cx.execute(few, where.values)]
    if len(found) <= _FEW:
        keys = [key for _, key in sorted(found, reverse=True)[start : start + per_page]]
        return rows_by_key(cx, listing, keys), len(found)
    total = _count(cx, listing, where)
    index = listing.index if listing.is_ordered or total <= _SORTED else listing.by_time
    return rows_by_key(cx, listing, _walk(cx, listing, index, where, (start, per_page))), total


def rows_by_key(cx: Connection, listing: Listing, keys: Sequence[int]) -> list[Row]:
    """Return these rows in this order."""
    marks = ", ".join("?" * len(keys))
    found = cx.execute(f"SELECT * FROM {listing.table} WHERE {listing.key} IN ({marks})", keys)
    rows = {row[listing.key]: row for row in found}
    return [rows[key] for key in keys if key in rows]


def _find_any(cx: Connection, listing: Listing, start: int, count: int) -> tuple[list[Row], int]:
    if not listing.is_gapless:
        total = int(cx.execute(f"SELECT count(*) FROM {listing.table}").fetchone()[0])
        keys = _walk(cx, listing, listing.by_time, Where(), (start, count))
        return rows_by_key(cx, listing, keys), total
    first, last = _ends(cx, listing)
    newest = last - start
    keys = list(range(newest, max(first - 1, newest - count), -1))
    return rows_by_key(cx, listing, keys), last - first + 1


def _ends(cx: Connection, listing: Listing) -> tuple[int, int]:
    """Return the first and the last key, (1, 0) when there is no row."""
    # Two queries, because SQLite reads only one end of an index without walking all of it.
    last = cx.execute(f"SELECT max({listing.key}) FROM {listing.table}").fetchone()[0]
    if last is None:
        return 1, 0
    return cx.execute(f"SELECT min({listing.key}) FROM {listing.table}").fetchone()[0], last


def _count(cx: Connection, listing: Listing, where: Where) -> int:
    """Count the matches, or the other rows where those look fewer: each row counted takes its time."""

    def count(condition: str, values: Sequence[Any]) -> int:
        query = f"SELECT count(*) FROM {listing.table} INDEXED BY {listing.index} WHERE {condition}"
        return int(cx.execute(query, values).fetchone()[0])

    if listing.is_gapless and len(where.prefixes) == len(where.conditions) == 1:
        column, start, end = where.prefixes[0]
        newest = f"SELECT {column} AS it FROM {listing.table} ORDER BY {listing.key} DESC LIMIT {_SAMPLE}"
        fits = cx.execute(f"SELECT count(*) FROM ({newest}) WHERE it >= ? AND it < ?", (start, end))
        if fits.fetchone()[0] * 2 > _SAMPLE:
            first, last = _ends(cx, listing)
            return last - first + 1 - count(f"{column} < ?", (start,)) - count(f"{column} >= ?", (end,))
    return count(" AND ".join(where.conditions), where.values)


def _walk(cx: Connection, listing: Listing, index: str, where: Where, part: tuple[int, int]) -> list[int]:
    start, count = part
    query = (
        f"SELECT {listing.key} FROM {listing.table} INDEXED BY {index} {where.sql}"
        f" ORDER BY {listing.time} DESC, {listing.key} DESC LIMIT ? OFFSET ?"
    )
    return [row[0] for row in cx.execute(query, (*where.values, count, start))]
