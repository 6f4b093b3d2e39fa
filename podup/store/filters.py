"""Conditions of a listing, and the two ways to read a page of it.

A listing has one index that holds every column it can be filtered by, newest first. `find_page` walks that
index once: up to `_WALK` matches are read as row numbers, which gives an exact total and any page of a rare
match in one pass; a common match is counted in a second pass, and its first pages are already there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podup.store.db import Connection, Row

PER_PAGE = 50
MAX_PER_PAGE = 500
_WALK = 5_000


class Where:
    """Conditions joined by AND, with their values; empty ones are left out."""

    def __init__(self, *conditions: str) -> None:
        self.conditions = list(conditions)
        self.values: list[Any] = []

    def equal(self, column: str, value: Any) -> None:
        """Want the column to have this value, unless the value is empty or None."""
        if value not in (None, ""):
            self.conditions.append(f"{column} = ?")
            self.values.append(value)

    def among(self, column: str, values: Sequence[Any]) -> None:
        """Want the column to have one of these values, unless there are none."""
        if values:
            self.conditions.append(f"{column} IN ({', '.join('?' * len(values))})")
            self.values.extend(values)

    def between(self, column: str, start: float | None, end: float | None) -> None:
        """Want start <= column < end; None leaves a side open."""
        for bound, sign in ((start, ">="), (end, "<")):
            if bound is not None:
                self.conditions.append(f"{column} {sign} ?")
                self.values.append(bound)

    def prefix(self, column: str, text: str) -> None:
        """Want the column to begin with this text, unless it is empty; served by an index of the column."""
        if text:
            self.conditions.append(f"{column} >= ? AND {column} < ?")
            self.values.extend((text, text[:-1] + chr(ord(text[-1]) + 1)))

    @property
    def sql(self) -> str:
        """Return `WHERE ...`, or nothing."""
        return "WHERE " + " AND ".join(self.conditions) if self.conditions else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A table and how to walk it: index (empty: the planner's choice) and order of that index."""

    table: str
    index: str
    order: str
    key: str = "seq"

    @property
    def source(self) -> str:
        return f"{self.table} INDEXED BY {self.index}" if self.index else self.table


def find_page(
    cx: Connection, listing: Listing, where: Where, *, page: int, per_page: int
) -> tuple[list[Row], int]:
    """Return the rows of a page (from 1) and the number of all matches."""
    start = (page - 1) * per_page
    walk = f"SELECT {listing.key} FROM {listing.source} {where.sql} ORDER BY {listing.order} LIMIT ? OFFSET ?"
    keys = [row[0] for row in cx.execute(walk, (*where.values, _WALK + 1, 0))]
    total = len(keys)
    if total > _WALK:
        count = f"SELECT count(*) FROM {listing.source} {where.sql}"
        total = int(cx.execute(count, where.values).fetchone()[0])
        if start + per_page > _WALK:
            keys = [row[0] for row in cx.execute(walk, (*where.values, per_page, start))]
            start = 0
    return rows_by_key(cx, listing, keys[start : start + per_page]), total


def rows_by_key(cx: Connection, listing: Listing, keys: Sequence[int]) -> list[Row]:
    """Return these rows in this order."""
    marks = ", ".join("?" * len(keys))
    found = cx.execute(f"SELECT * FROM {listing.table} WHERE {listing.key} IN ({marks})", keys)
    rows = {row[listing.key]: row for row in found}
    return [rows[key] for key in keys if key in rows]
