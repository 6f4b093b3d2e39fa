"""The deployment history of stacks as a table; the append-only log file has the same facts for grep."""

from podup.records import dataclass, fields, replace
from podup.store.db import Connection, Row
from podup.store.filters import PER_PAGE, Listing, Where, find_page

_LIST = Listing("stack_history", "at", index="stack_history_at", by_time="stack_history_at", key="id")
_BY_STACK = replace(_LIST, index="stack_history_stack")


@dataclass(frozen=True, slots=True)
class StackEntry:
    """One fact: `status` is success or fail, `at` Unix seconds, `id` 0 before it is written."""

    at: float
    stack: str
    action: str
    status: str
    env: str = ""
    version: str = ""
    notes: str = ""
    task_id: str = ""
    id: int = 0


_COLUMNS = [f.name for f in fields(StackEntry)]
_WRITTEN = [name for name in _COLUMNS if name != "id"]


def insert(cx: Connection, entry: StackEntry) -> None:
    """Add a fact."""
    cx.execute(
        f"INSERT INTO stack_history ({', '.join(_WRITTEN)}) VALUES ({', '.join('?' * len(_WRITTEN))})",
        [getattr(entry, name) for name in _WRITTEN],
    )


def find(
    cx: Connection, *, stack: str = "", page: int = 1, per_page: int = PER_PAGE
) -> tuple[list[StackEntry], int]:
    """Return a page of facts, newest first, and the number of all that match."""
    where = Where()
    where.equal("stack", stack)
    rows, total = find_page(cx, _BY_STACK if stack else _LIST, where, page=page, per_page=per_page)
    return [_entry(row) for row in rows], total


def _entry(row: Row) -> StackEntry:
    return StackEntry(**{name: row[name] for name in _COLUMNS})
