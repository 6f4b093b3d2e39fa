"""Freezes: nothing is deployed on a frozen target; the empty target freezes everything."""

from podup.records import dataclass
from podup.store.db import Connection, Row

EVERYTHING = ""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Who froze what, why and when (Unix seconds)."""

    target: str
    since: float
    reason: str = ""
    caller: str = ""


def freeze(cx: Connection, wanted: Freeze) -> None:
    """Freeze; a target that is frozen already gets the new reason and keeps its time."""
    cx.execute(
        "INSERT INTO freezes (target, reason, caller, since) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (target) DO UPDATE SET reason = excluded.reason, caller = excluded.caller",
        (wanted.target, wanted.reason, wanted.caller, wanted.since),
    )


def unfreeze(cx: Connection, target: str) -> bool:
    """Let deployments go on; False when the target was not frozen."""
    return cx.execute("DELETE FROM freezes WHERE target = ?", (target,)).rowcount == 1


def frozen(cx: Connection, target: str) -> Freeze | None:
    """Return the freeze that holds for this target, its own before the one of everything."""
    row = cx.execute(
        "SELECT * FROM freezes WHERE target IN (?, '') ORDER BY target DESC LIMIT 1", (target,)
    ).fetchone()
    return _freeze(row) if row else None


def all_freezes(cx: Connection) -> list[Freeze]:
    """Return all freezes, the one of everything first."""
    return [_freeze(row) for row in cx.execute("SELECT * FROM freezes ORDER BY target")]


def _freeze(row: Row) -> Freeze:
    return Freeze(row["target"], row["since"], row["reason"], row["caller"])
