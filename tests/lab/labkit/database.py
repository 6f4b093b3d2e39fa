"""What the daemon's database holds, read beside it: to see that nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LASTING = ("tasks", "deliveries", "event_log", "tokens")


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table, by the columns it had."""

    columns: tuple[str, ...]
    rows: frozenset[tuple[object, ...]]


def count(state: Path, table: str) -> int:
    with _reading(state) as cx:
        return int(cx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def tables(state: Path) -> set[str]:
    with _reading(state) as cx:
        return {str(name) for (name,) in cx.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def contents(state: Path) -> dict[str, Table]:
    """The tables whose rows stay as they are once written."""
    with _reading(state) as cx:
        return {name: _table(cx, name, "*") for name in LASTING}


def lost(state: Path, before: dict[str, Table]) -> dict[str, set[tuple[object, ...]]]:
    """The rows of `before` that are not there any more, or not the same; by table, empty when none."""
    with _reading(state) as cx:
        now = {name: _table(cx, name, ", ".join(table.columns)) for name, table in before.items()}
        (sound,) = cx.execute("PRAGMA integrity_check").fetchone()
    assert sound == "ok"
    gone = {name: set(table.rows - now[name].rows) for name, table in before.items()}
    return {name: rows for name, rows in gone.items() if rows}


def _table(cx: sqlite3.Connection, name: str, columns: str) -> Table:
    found = cx.execute(f"SELECT {columns} FROM {name}")
    return Table(tuple(one[0] for one in found.description), frozenset(found.fetchall()))


@contextmanager
def _reading(state: Path) -> Iterator[sqlite3.Connection]:
    cx = sqlite3.connect(f"file:{state}/data/pod-upgrade-trigger.db?mode=ro", uri=True)
    try:
        yield cx
    finally:
        cx.close()
