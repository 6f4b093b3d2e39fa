"""Conditions of a listing, and how a page and the exact total are read within a bounded time.

A listing has one index that begins with the time and holds every column it can be filtered by, so no
condition ever reads the rows themselves. Few matches are all read in one pass and sorted here. Many are
counted in one pass, and the page is found soon by walking from the newest, because they are many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podup.store.db import Connection, Row

PER_PAGE = 50
MAX_PER_PAGE = 500
_FEW = 5_000


class Where:
    """Conditions joined by AND, with their values; empty ones are left out."""

    def __init__(self, *conditions: str) -> None:
        self.conditions = list(conditions)
        self.values: list[Any] = []

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
            self.add(f"{column} >= ? AND {column} < ?", text, text[:-1] + chr(ord(text[-1]) + 1))

    @property
    def sql(self) -> str:
        """Return `WHERE ...`, or nothing."""
        return "WHERE " + " AND ".join(self.conditions) if self.conditions else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """How to walk a table newest first: by time column and key, along `ordered`, an index that begins with
    the time and holds all columns a condition can name; `narrow` is an index that leaves less to look at.
    """

    table: str
    time: str
    ordered: str
    narrow: str = ""
    key: str = "seq"

    @property
    def newest_first(self) -> str:
        return f"ORDER BY {self.time} DESC, {self.key} DESC"


def find_page(
    cx: Connection, listing: Listing, where: Where, *, page: int, per_page: int
) -> tuple[list[Row], int]:
    """Return the rows of a page (from 1), newest first, and the number of all matches."""
    start = (page - 1) * per_page
    narrow = f"FROM {listing.table} INDEXED BY {listing.narrow or listing.ordered} {where.sql}"
    few = f"SELECT {listing.time}, {listing.key} {narrow} LIMIT {_FEW + 1}"
    found = [(row[0], row[1]) for row in cx.execute(few, where.values)]
    if len(found) <= _FEW:
        keys = [key for _, key in sorted(found, reverse=True)[start : start + per_page]]
        return rows_by_key(cx, listing, keys), len(found)
    total = int(cx.execute(f"SELECT count(*) {_counted(listing, where, narrow)}", where.values).fetchone()[0])
    walk = (
        f"SELECT {listing.key} FROM {listing.table} INDEXED BY {listing.ordered} {where.sql}"
        f" {listing.newest_first} LIMIT ? OFFSET ?"
    )
    keys = [row[0] for row in cx.execute(walk, (*where.values, per_page, start))]
    return rows_by_key(cx, listing, keys), total


def rows_by_key(cx: Connection, listing: Listing, keys: Sequence[int]) -> list[Row]:
    """Return these rows in this order."""
    marks = ", ".join("?" * len(keys))
    found = cx.execute(f"SELECT * FROM {listing.table} WHERE {listing.key} IN ({marks})", keys)
    rows = {row[listing.key]: row for row in found}
    return [rows[key] for key in keys if key in rows]


def _counted(listing: Listing, where: Where, narrow: str) -> str:
    return narrow if where.conditions else f"FROM {listing.table}"  # the smallest index counts them all
