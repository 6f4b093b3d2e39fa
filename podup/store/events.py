"""The event log: requests, commands and scheduler ticks; and counts of what would fill the disk.

Rows are written in batches, one transaction for many. They are never changed, and pruned from the oldest
on only, so their ids stay consecutive.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any

from podup.records import dataclass, field, replace
from podup.store.db import Connection, Readable, Row
from podup.store.filters import PER_PAGE, Listing, Where, find_page

RETENTION_S = 30 * 86400
_LIST = Listing(
    "event_log", "ts", index="event_log_ts", by_time="event_log_ts", is_gapless=True, key="id"
)
_INDEXES = {  # the first field that is set decides; the last two are in order of time
    "request_id": replace(_LIST, index="event_log_request", is_ordered=False),
    "task_id": replace(_LIST, index="event_log_task", is_ordered=False),
    "path": replace(_LIST, index="event_log_path", is_ordered=False),
    "action": replace(_LIST, index="event_log_action"),
    "status": replace(_LIST, index="event_log_status"),
}
_EXPORT_ROWS = 1000
_RARE = 5_000


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log; `id` grows with every row and is 0 before it is written."""

    ts: float
    request_id: str = ""
    method: str = ""
    path: str = ""
    status: int = 0
    action: str = ""
    duration_ms: int = 0
    meta: Mapping[str, Any] = field(default_factory=dict)
    task_id: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a listing wants; empty means any. `start` <= ts < `end` in Unix seconds; `path` is a prefix."""

    request_id: str = ""
    task_id: str = ""
    path: str = ""
    status: int | None = None
    action: str = ""
    start: float | None = None
    end: float | None = None


def insert(cx: Connection, events: Iterable[Event]) -> None:
    """Append events, in order."""
    cx.executemany(
        "INSERT INTO event_log (ts, request_id, method, path, status, action, duration_ms, meta, task_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_values(event) for event in events],
    )


def find(
    cx: Connection, wanted: EventFilter, *, page: int = 1, per_page: int = PER_PAGE
) -> tuple[list[Event], int]:
    """Return a page of events, newest first, and the number of all that match."""
    rows, total = find_page(cx, _listing(cx, wanted), _where(wanted), page=page, per_page=per_page)
    return [_event(row) for row in rows], total


def after(cx: Connection, event_id: int, *, limit: int = 100) -> list[Event]:
    """Return the events written after this one, oldest first; for live views."""
    rows = cx.execute("SELECT * FROM event_log WHERE id > ? ORDER BY id LIMIT ?", (event_id, limit))
    return [_event(row) for row in rows]


def last_id(cx: Connection) -> int:
    """Return the id of the newest event, 0 when there is none."""
    return int(cx.execute("SELECT coalesce(max(id), 0) FROM event_log").fetchone()[0])


def export(reader: Readable, wanted: EventFilter) -> Iterator[list[Event]]:
    """Yield all matching events, newest first, in chunks of up to 1,000.

    Each chunk is a reading transaction of its own, so a slow download holds up nothing.
    """
    last: tuple[float, int] | None = None
    while True:
        where = _where(wanted)
        if last is not None:
            where.add("(ts, id) < (?, ?)", *last)
        query = f"SELECT * FROM event_log {where.sql} ORDER BY ts DESC, id DESC LIMIT {_EXPORT_ROWS}"
        with reader.read() as cx:
            chunk = [_event(row) for row in cx.execute(query, where.values)]
        if chunk:
            yield chunk
        if len(chunk) < _EXPORT_ROWS:
            return
        last = (chunk[-1].ts, chunk[-1].id)


def count_older(cx: Connection, cutoff_s: float) -> int:
    """Return how many events from before `cutoff_s` would be forgotten; the newest never is."""
    old = "SELECT count(*) FROM event_log WHERE ts < ? AND id < ?"
    return int(cx.execute(old, (cutoff_s, last_id(cx))).fetchone()[0])


def delete_older(cx: Connection, cutoff_s: float, *, now_s: float, limit: int) -> int:
    """Forget up to `limit` events, oldest first, until one is not from before `cutoff_s`; return how many.

    One from the future, when a clock was wrong, goes with what is old: it would keep all that came later.
    The newest stays, so that no id is given twice.
    """
    if cx.execute("SELECT 1 FROM event_log WHERE ts < ? LIMIT 1", (cutoff_s,)).fetchone() is None:
        return 0
    first = "SELECT id, ts FROM event_log WHERE id < ? ORDER BY id LIMIT ?"
    oldest = cx.execute(first, (last_id(cx), limit)).fetchall()
    old = [row["id"] for row in takewhile(lambda row: not cutoff_s <= row["ts"] <= now_s, oldest)]
    if old:
        cx.execute("DELETE FROM event_log WHERE id <= ?", (old[-1],))
    return len(old)


def add_counts(cx: Connection, counts: Mapping[str, int], *, now_s: float) -> None:
    """Add to the counts of this minute; one row a minute and kind, however many requests."""
    cx.executemany(
        "INSERT INTO event_counts (minute, kind, count) VALUES (?, ?, ?)"
        " ON CONFLICT (minute, kind) DO UPDATE SET count = count + excluded.count",
        [(int(now_s // 60), kind, count) for kind, count in counts.items() if count],
    )


def counts_since(cx: Connection, start_s: float) -> list[tuple[float, str, int]]:
    """Return the counted requests since then: begin of the minute (Unix seconds), kind, count."""
    rows = cx.execute(
        "SELECT minute * 60.0, kind, count FROM event_counts WHERE minute >= ? ORDER BY minute, kind",
        (int(start_s // 60),),
    )
    return [(float(row[0]), row[1], row[2]) for row in rows]


def delete_counts(cx: Connection, cutoff_s: float, *, limit: int) -> int:
    """Forget up to `limit` counts of minutes before `cutoff_s`; return how many rows went."""
    old = "SELECT minute, kind FROM event_counts WHERE minute < ? LIMIT ?"
    gone = f"DELETE FROM event_counts WHERE (minute, kind) IN ({old})"
    return cx.execute(gone, (int(cutoff_s // 60), limit)).rowcount


def _where(wanted: EventFilter) -> Where:
    where = Where()
    where.equal("request_id", wanted.request_id)
    where.equal("task_id", wanted.task_id)
    if wanted.task_id:
        where.add("task_id <> ''")  # the index holds only those
    where.prefix("path", wanted.path)
    where.between("ts", wanted.start, wanted.end)
    where.equal("status", wanted.status)
    where.equal("action", wanted.action)
    return where


def _listing(cx: Connection, wanted: EventFilter) -> Listing:
    if wanted.path and wanted.status is not None:
        # A prefix may fit nearly all rows; a status that few have leaves less to look at.
        same = "SELECT 1 FROM event_log WHERE status = ? LIMIT 1 OFFSET ?"
        if cx.execute(same, (wanted.status, _RARE)).fetchone() is None:
            return _INDEXES["status"]
    return next((listing for name, listing in _INDEXES.items() if getattr(wanted, name)), _LIST)


def _values(event: Event) -> tuple[Any, ...]:
    return (
        event.ts, event.request_id, event.method, event.path, event.status,
        event.action, event.duration_ms, json.dumps(event.meta), event.task_id,
    )  # fmt: skip


def _event(row: Row) -> Event:
    return Event(
        id=row["id"], ts=row["ts"], request_id=row["request_id"], method=row["method"], path=row["path"],
        status=row["status"], action=row["action"], duration_ms=row["duration_ms"],
        meta=json.loads(row["meta"]), task_id=row["task_id"],
    )  # fmt: skip
