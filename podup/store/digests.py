"""Digests: since when we know them, and which of them a target must not get again.

First-seen times are our own clock for the cool-down, whatever a registry says. A quarantine holds for a
target and digest until an operator releases it; what was released can be quarantined again.
"""

from podup.records import dataclass
from podup.store.db import Connection, Row


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A digest that failed on a target; `released_at` is None while it holds."""

    target: str
    digest: str
    reason: str
    since: float
    image: str = ""
    task_id: str = ""
    released_at: float | None = None
    released_by: str = ""


def see(cx: Connection, image: str, digest: str, *, now_s: float) -> float:
    """Note that the reference `image` leads to this digest; return when it was first seen so."""
    row = cx.execute(
        "INSERT INTO digests (image, digest, first_seen, last_seen) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (image, digest) DO UPDATE SET last_seen = excluded.last_seen RETURNING first_seen",
        (image, digest, now_s, now_s),
    ).fetchone()
    return float(row[0])


def first_seen(cx: Connection, image: str) -> dict[str, float]:
    """Return the digests seen behind this reference and when first (Unix seconds)."""
    rows = cx.execute("SELECT digest, first_seen FROM digests WHERE image = ?", (image,))
    return {row[0]: float(row[1]) for row in rows}


def delete_unseen(cx: Connection, cutoff_s: float, *, limit: int) -> int:
    """Forget up to `limit` digests not seen since `cutoff_s`; return how many went."""
    old = "SELECT image, digest FROM digests WHERE last_seen < ? LIMIT ?"
    return cx.execute(f"DELETE FROM digests WHERE (image, digest) IN ({old})", (cutoff_s, limit)).rowcount


def quarantine(cx: Connection, held_back: Quarantine) -> None:
    """Hold this digest back from this target; when it is held already the first reason stays."""
    cx.execute(
        "INSERT INTO quarantine (target, digest, image, reason, task_id, since) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (target, digest) DO UPDATE SET image = excluded.image, reason = excluded.reason,"
        " task_id = excluded.task_id, since = excluded.since, released_at = NULL, released_by = ''"
        " WHERE released_at IS NOT NULL",
        (
            held_back.target, held_back.digest, held_back.image,
            held_back.reason, held_back.task_id, held_back.since,
        ),
    )  # fmt: skip


def held(cx: Connection, target: str, digest: str) -> Quarantine | None:
    """Return the quarantine that holds this digest back from this target, or None."""
    row = cx.execute(
        "SELECT * FROM quarantine WHERE target = ? AND digest = ? AND released_at IS NULL", (target, digest)
    ).fetchone()
    return _quarantine(row) if row else None


def quarantined(cx: Connection, *, target: str = "", with_released: bool = False) -> list[Quarantine]:
    """Return what is held back (of one target), newest first; on request also what was released."""
    rows = cx.execute(
        "SELECT * FROM quarantine WHERE (? = '' OR target = ?) AND (? OR released_at IS NULL)"
        " ORDER BY since DESC, target, digest",
        (target, target, with_released),
    )
    return [_quarantine(row) for row in rows]


def release(cx: Connection, *, target: str, digest: str, by: str, now_s: float) -> int:
    """Release digests that begin with `digest` (empty: all) from quarantine; return how many."""
    changed = cx.execute(
        "UPDATE quarantine SET released_at = ?, released_by = ?"
        " WHERE target = ? AND released_at IS NULL AND substr(digest, 1, length(?)) = ?",
        (now_s, by, target, digest, digest),
    )
    return changed.rowcount


def _quarantine(row: Row) -> Quarantine:
    return Quarantine(
        row["target"], row["digest"], row["reason"], row["since"], row["image"], row["task_id"],
        row["released_at"], row["released_by"],
    )  # fmt: skip
