"""Messages that wait to be sent, and incidents: repeated failures of one thing are one message.

A message is written in the transaction that makes it true, so none is lost; it may be sent twice when a
crash falls between the sending and its note.
"""

import json
from collections.abc import Mapping
from typing import Any

from podup.records import dataclass, fields
from podup.store.db import Connection, Row


@dataclass(frozen=True, slots=True)
class Message:
    """A message for one channel; `tries` so far, `next_try_at` None when it was sent or given up."""

    id: int
    channel: str
    event: str
    message: Mapping[str, Any]
    created_at: float
    next_try_at: float | None
    tries: int
    sent_at: float | None
    error: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is not well: since when, how often it failed."""

    key: str
    opened_at: float
    last_at: float
    count: int


_MESSAGE = ", ".join(field.name for field in fields(Message))
_INCIDENT = ", ".join(field.name for field in fields(Incident))


def put(
    cx: Connection, channel: str, *, event: str, message: Mapping[str, Any], now_s: float
) -> None:
    """Add a message that is due now."""
    cx.execute(
        "INSERT INTO outbox (channel, event, message, created_at, next_try_at) VALUES (?, ?, ?, ?, ?)",
        (channel, event, json.dumps(message), now_s, now_s),
    )


def due(cx: Connection, now_s: float, *, limit: int = 20) -> list[Message]:
    """Return the messages to send now, longest due first; new ones also from a clock that was ahead."""
    rows = cx.execute(
        f"SELECT {_MESSAGE} FROM outbox WHERE next_try_at IS NOT NULL"
        " AND (next_try_at <= ? OR next_try_at = created_at) ORDER BY next_try_at, id LIMIT ?",
        (now_s, limit),
    )
    return [_message(row) for row in rows]


def next_due(cx: Connection) -> float | None:
    """Return when the next message is due, None when none waits."""
    row = cx.execute("SELECT min(next_try_at) FROM outbox WHERE next_try_at IS NOT NULL").fetchone()
    return None if row[0] is None else float(row[0])


def sent(cx: Connection, message_id: int, *, now_s: float) -> None:
    """Note that a message went out."""
    cx.execute(
        "UPDATE outbox SET sent_at = ?, next_try_at = NULL, tries = tries + 1, error = '' WHERE id = ?",
        (now_s, message_id),
    )


def failed(cx: Connection, message_id: int, *, error: str, next_try_at: float | None) -> None:
    """Note that sending failed and when to try again; None gives up."""
    cx.execute(
        "UPDATE outbox SET next_try_at = ?, tries = tries + 1, error = ? WHERE id = ?",
        (next_try_at, error, message_id),
    )


def recent(cx: Connection, *, limit: int = 50) -> list[Message]:
    """Return the newest messages, newest first."""
    rows = cx.execute(f"SELECT {_MESSAGE} FROM outbox ORDER BY id DESC LIMIT ?", (limit,))
    return [_message(row) for row in rows]


def delete_older(cx: Connection, cutoff_s: float, *, limit: int) -> int:
    """Forget up to `limit` messages from before `cutoff_s` that wait no more; return how many went."""
    old = "SELECT id FROM outbox WHERE next_try_at IS NULL AND created_at < ? LIMIT ?"
    return cx.execute(f"DELETE FROM outbox WHERE id IN ({old})", (cutoff_s, limit)).rowcount


def fail_again(cx: Connection, key: str, *, now_s: float) -> Incident:
    """Note a failure of this thing; the incident's count is 1 when it is news."""
    row = cx.execute(
        "INSERT INTO incidents (key, opened_at, last_at, count) VALUES (?, ?, ?, 1)"
        " ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at, count = count + 1"
        f" RETURNING {_INCIDENT}",
        (key, now_s, now_s),
    ).fetchone()
    return Incident(*row)


def recover(cx: Connection, key: str) -> Incident | None:
    """Note that this thing is well; return the incident that ends, None when there was none."""
    row = cx.execute(f"DELETE FROM incidents WHERE key = ? RETURNING {_INCIDENT}", (key,)).fetchone()
    return Incident(*row) if row else None


def incident(cx: Connection, key: str) -> Incident | None:
    """Return what is known of this failure, None when it is none."""
    row = cx.execute(f"SELECT {_INCIDENT} FROM incidents WHERE key = ?", (key,)).fetchone()
    return Incident(*row) if row else None


def incidents(cx: Connection) -> list[Incident]:
    """Return what is not well, oldest first."""
    rows = cx.execute(f"SELECT {_INCIDENT} FROM incidents ORDER BY opened_at, key")
    return [Incident(*row) for row in rows]


def _message(row: Row) -> Message:
    return Message(**{**dict(row), "message": json.loads(row["message"])})
