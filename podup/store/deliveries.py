"""The inbox: every signed delivery, what each rule said of it, and the task it led to.

Pruned after seven days. How its task ended is kept in the row (`task_status`), because tasks are forgotten
sooner than the three days in which the same delivery counts as a duplicate.
"""

import json
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from podup.core.states import Status
from podup.records import dataclass, field, fields, replace
from podup.store.db import Connection, Row
from podup.store.filters import PER_PAGE, Listing, Where, find_page

RETENTION_S = 7 * 86400
_LIST = Listing("deliveries", "received_at", index="deliveries_list", by_time="deliveries_list")
_BY_TARGET = replace(_LIST, index="deliveries_target")


class Rule(NamedTuple):
    """What one rule said. A tuple, because most deliveries meet the same rules: their text is made once."""

    rule: str
    ok: bool
    says: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery to one target. `outcome` is accepted, ignored, duplicate, skipped, limited or refused.

    `rules` are what the rules said, in the order they were asked; `task_status` is filled on reading.
    """

    id: str
    received_at: float
    target: str
    body_hash: str
    outcome: str
    delivery_id: str = ""
    sender: str = "github"
    event: str = ""
    action: str = ""
    image: str = ""
    tags: tuple[str, ...] = ()
    digest: str = ""
    reason: str = ""
    rules: tuple[Rule, ...] = ()
    request_id: str = ""
    task_id: str = ""
    replay_of: str = ""
    task_status: Status | None = field(default=None, compare=False)


_COLUMNS = [f.name for f in fields(Delivery) if f.name != "task_status"]
_INSERT = f"INSERT INTO deliveries ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_values = attrgetter(*_COLUMNS)
_TAGS, _RULES = _COLUMNS.index("tags"), _COLUMNS.index("rules")


def insert(cx: Connection, delivery: Delivery) -> None:
    """Add a delivery. Raises IntegrityError for an id that is there already."""
    values = list(_values(delivery))
    values[_TAGS], values[_RULES] = _text_of(delivery.tags), _text_of_rules(delivery.rules)
    cx.execute(_INSERT, values)


def get(cx: Connection, delivery: str) -> Delivery | None:
    """Return the delivery of our id, or the newest one of the sender's id, or None."""
    row = cx.execute("SELECT * FROM deliveries WHERE id = ?", (delivery,)).fetchone()
    if row is None:
        row = cx.execute(
            "SELECT * FROM deliveries WHERE delivery_id = ? AND delivery_id <> '' ORDER BY seq DESC LIMIT 1",
            (delivery,),
        ).fetchone()
    return _delivery(cx, row) if row else None


def find_same(
    cx: Connection, target: str, *, delivery_id: str, body_hash: str, since_s: float
) -> Delivery | None:
    """Return the newest delivery since then of the same thing to the same target that led to a task.

    The same thing has the sender's delivery id, or the body's hash.
    """
    (seq,) = cx.execute(
        "SELECT max(seq) FROM (SELECT seq FROM deliveries INDEXED BY deliveries_by_id"
        " WHERE target = ? AND delivery_id = ? AND delivery_id <> '' AND received_at >= ? AND task_id <> ''"
        " UNION ALL SELECT seq FROM deliveries INDEXED BY deliveries_by_body"
        " WHERE target = ? AND body_hash = ? AND received_at >= ? AND task_id <> '')",
        (target, delivery_id, since_s, target, body_hash, since_s),
    ).fetchone()
    if seq is None:
        return None
    return _delivery(cx, cx.execute("SELECT * FROM deliveries WHERE seq = ?", (seq,)).fetchone())


def find(
    cx: Connection,
    *,
    target: str = "",
    outcome: str = "",
    page: int = 1,
    per_page: int = PER_PAGE,
) -> tuple[list[Delivery], int]:
    """Return a page of deliveries, newest first, and the number of all that match."""
    where = Where()
    where.equal("target", target)
    where.equal("outcome", outcome)
    listing = _BY_TARGET if target else _LIST
    rows, total = find_page(cx, listing, where, page=page, per_page=per_page)
    return [_delivery(cx, row) for row in rows], total


def for_task(cx: Connection, task_id: str) -> list[Delivery]:
    """Return the deliveries that led to a task, oldest first."""
    rows = cx.execute("SELECT * FROM deliveries WHERE task_id = ? AND task_id <> '' ORDER BY seq", (task_id,))
    return [_delivery(cx, row) for row in rows]


def last_times(cx: Connection) -> dict[str, dict[str, float]]:
    """Return, by target and outcome, when the newest delivery came (Unix seconds)."""
    times: dict[str, dict[str, float]] = {}
    newest = "SELECT target, outcome, max(received_at) FROM deliveries INDEXED BY deliveries_target"
    for target, outcome, at in cx.execute(f"{newest} GROUP BY target, outcome"):
        times.setdefault(target, {})[outcome] = float(at)
    return times


def count_older(cx: Connection, cutoff_s: float) -> int:
    """Return how many deliveries were received before `cutoff_s`."""
    row = cx.execute("SELECT count(*) FROM deliveries WHERE received_at < ?", (cutoff_s,)).fetchone()
    return int(row[0])


def delete_older(cx: Connection, cutoff_s: float, *, limit: int) -> int:
    """Forget up to `limit` deliveries received before `cutoff_s`, oldest first; return how many went."""
    changed = cx.execute(
        "DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries INDEXED BY deliveries_list"
        " WHERE received_at < ? ORDER BY received_at LIMIT ?)",
        (cutoff_s, limit),
    )
    return changed.rowcount


def _delivery(cx: Connection, row: Row) -> Delivery:
    values = {name: row[name] for name in _COLUMNS}
    values["tags"] = tuple(json.loads(row["tags"]))
    values["rules"] = tuple(Rule(**said) for said in json.loads(row["rules"]))
    status = row["task_status"]
    if row["task_id"] and not status:
        living = cx.execute("SELECT status FROM tasks WHERE id = ?", (row["task_id"],)).fetchone()
        status = living["status"] if living else ""
    return Delivery(**values, task_status=Status(status) if status else None)


@lru_cache(maxsize=64)
def _text_of(tags: tuple[str, ...]) -> str:
    return json.dumps(tags)


@lru_cache(maxsize=256)
def _text_of_rules(rules: tuple[Rule, ...]) -> str:
    return json.dumps([rule._asdict() for rule in rules])
