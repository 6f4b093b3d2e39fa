"""What was deployed on which target, and how it went; kept longer than the tasks that did it."""

from collections.abc import Sequence

from podup.records import dataclass, fields, replace
from podup.store.db import Connection, Row
from podup.store.filters import PER_PAGE, Listing, Where, find_page

GOOD = "succeeded"
_LIST = Listing(
    "deployments", "finished_at", index="deployments_finished", by_time="deployments_finished", key="id"
)
_BY_TARGET = replace(_LIST, index="deployments_target")


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment that ended. `kind` is deploy or rollback, `outcome` the task's status; `finished_at` in
    Unix seconds, `id` 0 before it is written.
    """

    target: str
    kind: str
    outcome: str
    finished_at: float
    source: str = ""
    image: str = ""
    from_digest: str = ""
    to_digest: str = ""
    reason: str = ""
    task_id: str = ""
    duration_ms: int = 0
    id: int = 0


_COLUMNS = [f.name for f in fields(Deployment)]
_WRITTEN = [name for name in _COLUMNS if name != "id"]


def insert(cx: Connection, deployment: Deployment) -> None:
    """Add a deployment; one of the same task and target is there once."""
    cx.execute(
        f"INSERT INTO deployments ({', '.join(_WRITTEN)}) SELECT {', '.join('?' * len(_WRITTEN))}"
        " WHERE NOT EXISTS (SELECT 1 FROM deployments WHERE task_id = ? AND task_id <> '' AND target = ?)",
        [*(getattr(deployment, name) for name in _WRITTEN), deployment.task_id, deployment.target],
    )


def find(
    cx: Connection, *, target: str = "", outcome: str = "", page: int = 1, per_page: int = PER_PAGE
) -> tuple[list[Deployment], int]:
    """Return a page of deployments, newest first, and the number of all that match."""
    where = Where()
    where.equal("target", target)
    where.equal("outcome", outcome)
    rows, total = find_page(cx, _BY_TARGET if target else _LIST, where, page=page, per_page=per_page)
    return [_deployment(row) for row in rows], total


def latest(cx: Connection, targets: Sequence[str] = ()) -> dict[str, Deployment]:
    """Return the newest deployment of each target (empty: of all)."""
    where = Where()
    where.among("target", targets)
    newest = f"SELECT *, max(finished_at) FROM deployments {where.sql} GROUP BY target"
    rows = cx.execute(newest, where.values)
    return {row["target"]: _deployment(row) for row in rows}


def good_digests(cx: Connection, target: str, *, limit: int = 10) -> list[str]:
    """Return the digests that were deployed well on a target, newest first, each once."""
    rows = cx.execute(
        "SELECT to_digest FROM deployments WHERE target = ? AND outcome = ? AND to_digest <> ''"
        " GROUP BY to_digest ORDER BY max(finished_at) DESC LIMIT ?",
        (target, GOOD, limit),
    )
    return [row[0] for row in rows]


def delete_older(cx: Connection, cutoff_s: float, *, limit: int, keep_each: int = 20) -> int:
    """Forget up to `limit` deployments from before `cutoff_s`; every target keeps its newest `keep_each`."""
    newer = (
        "SELECT 1 FROM deployments AS newer WHERE newer.target = old.target"
        " AND (newer.finished_at, newer.id) > (old.finished_at, old.id) LIMIT 1 OFFSET ?"
    )
    changed = cx.execute(
        "DELETE FROM deployments WHERE id IN (SELECT id FROM deployments AS old"
        f" WHERE finished_at < ? AND EXISTS ({newer}) LIMIT ?)",
        (cutoff_s, keep_each - 1, limit),
    )
    return changed.rowcount


def _deployment(row: Row) -> Deployment:
    return Deployment(**{name: row[name] for name in _COLUMNS})
