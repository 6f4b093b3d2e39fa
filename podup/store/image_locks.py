"""What running tasks hold: units, images, stacks; one owner a bucket.

A row is taken in the transaction that lets its owner run and goes in the one that ends it. The process of
the owner is written down once it runs (pid, start time, boot), so that everybody can see whether it lives.
A process that died does not free what its task holds: the task is taken up again, and reverted if need be.
"""

from collections.abc import Sequence

from podup.records import dataclass
from podup.store.db import Connection, Row


@dataclass(frozen=True, slots=True)
class ImageLock:
    """A held bucket. `pid` is 0 until the owner's process is known; `start_time` is in clock ticks after
    boot (proc(5), stat field 22), `since` in Unix seconds.
    """

    bucket: str
    owner: str
    since: float
    pid: int = 0
    start_time: int = 0
    boot_id: str = ""


def acquire_all(cx: Connection, buckets: Sequence[str], *, owner: str, now_s: float) -> bool:
    """Take all buckets for this owner, or none when somebody else holds one of them."""
    marks = ", ".join("?" * len(buckets))
    taken = cx.execute(
        f"SELECT 1 FROM image_locks WHERE bucket IN ({marks}) AND owner <> ? LIMIT 1", (*buckets, owner)
    ).fetchone()
    if taken:
        return False
    cx.executemany(
        "INSERT OR IGNORE INTO image_locks (bucket, owner, since) VALUES (?, ?, ?)",
        [(bucket, owner, now_s) for bucket in buckets],
    )
    return True


def set_process(cx: Connection, owner: str, *, pid: int, start_time: int, boot_id: str) -> None:
    """Write down which process works for the owner."""
    cx.execute(
        "UPDATE image_locks SET pid = ?, start_time = ?, boot_id = ? WHERE owner = ?",
        (pid, start_time, boot_id, owner),
    )


def release_owner(cx: Connection, owner: str) -> int:
    """Let go of all this owner holds; return how many buckets that were."""
    return cx.execute("DELETE FROM image_locks WHERE owner = ?", (owner,)).rowcount


def release(cx: Connection, bucket: str) -> bool:
    """Free one bucket, whoever holds it (an operator's decision); False when it was free."""
    return cx.execute("DELETE FROM image_locks WHERE bucket = ?", (bucket,)).rowcount == 1


def held(cx: Connection) -> list[ImageLock]:
    """Return all locks, oldest first."""
    return [_lock(row) for row in cx.execute("SELECT * FROM image_locks ORDER BY since, bucket")]


def stale(cx: Connection) -> list[ImageLock]:
    """Return the locks whose owner is no living task."""
    living = "SELECT id FROM tasks INDEXED BY tasks_alive WHERE finished_at IS NULL"
    owners = {row[0] for row in cx.execute(living)}
    return [lock for lock in held(cx) if lock.owner not in owners]


def _lock(row: Row) -> ImageLock:
    return ImageLock(
        row["bucket"], row["owner"], row["since"], row["pid"], row["start_time"], row["boot_id"]
    )
