"""Sliding windows: how often something happened of late, kept in the database so that a restart forgets none.

A bucket is a name like `image:ghcr.io/a/b` or `auto-update`. Hits that a jumping clock put into the future
are not counted.
"""

from collections.abc import Sequence

from podup.records import dataclass
from podup.store.db import Connection


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` hits in any `window_s` seconds; a count of 0 or less is no limit."""

    count: int
    window_s: float


def wait(cx: Connection, bucket: str, windows: Sequence[Window], *, now_s: float) -> float:
    """Return the seconds until all windows have room for one more hit; 0.0 when they have it now."""
    return max((_wait(cx, bucket, window, now_s) for window in windows), default=0.0)


def take(cx: Connection, bucket: str, windows: Sequence[Window], *, now_s: float) -> float:
    """Record a hit when all windows have room and return 0.0, else return the seconds to wait."""
    wait_s = wait(cx, bucket, windows, now_s=now_s)
    if not wait_s:
        record(cx, bucket, now_s=now_s)
    return wait_s


def record(cx: Connection, bucket: str, *, now_s: float) -> None:
    """Record a hit, whether there is room or not."""
    cx.execute("INSERT INTO rate_hits (bucket, at) VALUES (?, ?)", (bucket, now_s))


def count_older(cx: Connection, cutoff_s: float) -> tuple[int, int]:
    """Return how many hits are older than `cutoff_s`, and how many buckets have no newer one."""
    row = cx.execute(
        "SELECT coalesce(sum(old), 0), coalesce(sum(old = hits), 0) FROM"
        " (SELECT count(*) AS hits, sum(at < ?) AS old FROM rate_hits GROUP BY bucket)",
        (cutoff_s,),
    ).fetchone()
    return int(row[0]), int(row[1])


def delete_older(cx: Connection, cutoff_s: float, *, limit: int) -> int:
    """Forget up to `limit` hits from before `cutoff_s`; return how many went."""
    changed = cx.execute(
        "DELETE FROM rate_hits WHERE rowid IN (SELECT rowid FROM rate_hits WHERE at < ? LIMIT ?)",
        (cutoff_s, limit),
    )
    return changed.rowcount


def _wait(cx: Connection, bucket: str, window: Window, now_s: float) -> float:
    if window.count <= 0:
        return 0.0
    oldest_that_counts = cx.execute(
        "SELECT at FROM rate_hits WHERE bucket = ? AND at > ? AND at <= ? ORDER BY at DESC LIMIT 1 OFFSET ?",
        (bucket, now_s - window.window_s, now_s, window.count - 1),
    ).fetchone()
    return float(oldest_that_counts[0]) + window.window_s - now_s if oldest_that_counts else 0.0
