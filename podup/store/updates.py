"""Self-updates of this program, from their reports; importing a report twice changes nothing."""

import json
from collections.abc import Mapping
from typing import Any

from podup.records import dataclass, field, fields
from podup.store.db import Connection, Row
from podup.store.filters import PER_PAGE, Listing, Where, find_page

_LIST = Listing("updates", "finished_at", index="updates_finished", by_time="updates_finished", key="id")


@dataclass(frozen=True, slots=True)
class Update:
    """One run. `report_key` names its report; times are Unix seconds; `id` is 0 before it is written."""

    report_key: str
    status: str
    exit_code: int
    started_at: float
    finished_at: float
    from_version: str = ""
    to_version: str = ""
    to_sha256: str = ""
    dry_run: bool = False
    task_id: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


_COLUMNS = [f.name for f in fields(Update)]
_WRITTEN = [name for name in _COLUMNS if name != "id"]


def insert(cx: Connection, update: Update) -> bool:
    """Add a run; False when its report was imported before."""
    values = [getattr(update, name) for name in _WRITTEN if name != "report"]
    columns = [name for name in _WRITTEN if name != "report"]
    changed = cx.execute(
        f"INSERT OR IGNORE INTO updates ({', '.join(columns)}, report)"
        f" VALUES ({', '.join('?' * len(columns))}, ?)",
        [*values, json.dumps(update.report)],
    )
    return changed.rowcount == 1


def find(cx: Connection, *, page: int = 1, per_page: int = PER_PAGE) -> tuple[list[Update], int]:
    """Return a page of runs, newest first, and the number of all."""
    rows, total = find_page(cx, _LIST, Where(), page=page, per_page=per_page)
    return [_update(row) for row in rows], total


def _update(row: Row) -> Update:
    values = {name: row[name] for name in _COLUMNS}
    values["report"] = json.loads(row["report"])
    values["dry_run"] = bool(row["dry_run"])
    return Update(**values)
