"""What periodic work remembers over a restart: when it last ran, when it is next due, and a line about it."""

from podup.records import dataclass
from podup.store.db import Connection


@dataclass(frozen=True, slots=True)
class Tick:
    """One kind of periodic work; times are Unix seconds."""

    name: str
    last_at: float
    next_at: float | None = None
    note: str = ""


def tick(cx: Connection, name: str) -> Tick | None:
    """Return when this work last ran, None when it never did."""
    row = cx.execute("SELECT name, last_at, next_at, note FROM schedule WHERE name = ?", (name,)).fetchone()
    return Tick(*row) if row else None


def set_tick(cx: Connection, done: Tick) -> None:
    """Note that this work ran."""
    cx.execute(
        "INSERT OR REPLACE INTO schedule (name, last_at, next_at, note) VALUES (?, ?, ?, ?)",
        (done.name, done.last_at, done.next_at, done.note),
    )
