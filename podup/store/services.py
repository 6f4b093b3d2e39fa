"""The units found on this machine, what was last seen of them, and which of them wait for an operator."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from podup.records import dataclass, field, fields
from podup.store.db import Connection


@dataclass(frozen=True, slots=True)
class Service:
    """A unit. `source` is manual, quadlet, podman or systemd; `update_state` up_to_date, update_available,
    newer_tag or unknown (with a reason); times are Unix seconds, `checked_at` of the look at the registry.
    """

    unit: str
    slug: str
    source: str
    seen_at: float
    image: str = ""
    running_digest: str = ""
    remote_digest: str = ""
    update_state: str = "unknown"
    update_reason: str = ""
    newer_tag: str = ""
    health: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    found_at: float = 0
    checked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Attention:
    """A unit or stack that neither its upgrade nor its rollback left well."""

    target: str
    reason: str
    since: float
    task_id: str = ""


_COLUMNS = [f.name for f in fields(Service)]
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM services"
_CHANGEABLE = frozenset(_COLUMNS) - {"unit", "found_at"}


def get(cx: Connection, unit: str) -> Service | None:
    """Return the unit of this full name (`web.service`), or None."""
    row = cx.execute(f"{_SELECT} WHERE unit = ?", (unit,)).fetchone()
    return _service(tuple(row)) if row else None


def by_slug(cx: Connection, slug: str) -> Service | None:
    """Return the unit with this slug, or None."""
    row = cx.execute(f"{_SELECT} WHERE slug = ? ORDER BY unit LIMIT 1", (slug,)).fetchone()
    return _service(tuple(row)) if row else None


def all_known(cx: Connection) -> list[Service]:
    """Return all units by name."""
    return [_service(tuple(row)) for row in cx.execute(f"{_SELECT} ORDER BY unit")]


def put(cx: Connection, service: Service) -> None:
    """Add a unit or replace all that is known of it; when it was found first is kept."""
    values = {name: getattr(service, name) for name in _COLUMNS}
    values["details"] = json.dumps(service.details)
    values["found_at"] = service.found_at or service.seen_at
    changes = ", ".join(f"{name} = excluded.{name}" for name in sorted(_CHANGEABLE))
    cx.execute(
        f"INSERT INTO services ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
        f" ON CONFLICT (unit) DO UPDATE SET {changes}",
        [values[name] for name in _COLUMNS],
    )


def change(cx: Connection, unit: str, **values: Any) -> bool:
    """Set some fields of a known unit; False when it is not known."""
    if not values.keys() <= _CHANGEABLE:
        raise ValueError(f"not fields of a service: {sorted(values.keys() - _CHANGEABLE)}")
    if "details" in values:
        values["details"] = json.dumps(values["details"])
    marks = ", ".join(f"{name} = ?" for name in values)
    return cx.execute(f"UPDATE services SET {marks} WHERE unit = ?", (*values.values(), unit)).rowcount == 1


def discovered(cx: Connection, found: Sequence[Service], *, unseen: Collection[str] = ()) -> list[str]:
    """Take over the result of a look at the machine; return the units that are gone.

    What only the registry tells (remote digest, update state, newer tag, its time) stays as it was. Units of
    an `unseen` source, which could not be asked, are not gone.
    """
    for service in found:
        old = get(cx, service.unit)
        if old is None:
            put(cx, service)
            continue
        change(
            cx, service.unit, slug=service.slug, source=service.source, seen_at=service.seen_at,
            image=service.image, running_digest=service.running_digest, health=service.health,
            details=service.details,
        )  # fmt: skip
    names = {service.unit for service in found}
    known = cx.execute("SELECT unit, source FROM services").fetchall()
    gone = [row["unit"] for row in known if row["unit"] not in names and row["source"] not in unseen]
    cx.executemany("DELETE FROM services WHERE unit = ?", [(unit,) for unit in gone])
    return gone


def mark_needs_operator(cx: Connection, attention: Attention) -> None:
    """Say that this target waits for an operator; the newest reason holds, the first time is kept."""
    cx.execute(
        "INSERT INTO needs_operator (target, reason, since, task_id) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (target) DO UPDATE SET reason = excluded.reason, task_id = excluded.task_id",
        (attention.target, attention.reason, attention.since, attention.task_id),
    )


def mark_well(cx: Connection, target: str) -> bool:
    """Say that nobody has to look at this target any more; False when nobody had to."""
    return cx.execute("DELETE FROM needs_operator WHERE target = ?", (target,)).rowcount == 1


def needing_operator(cx: Connection) -> dict[str, Attention]:
    """Return what waits for an operator, by target."""
    rows = cx.execute("SELECT target, reason, since, task_id FROM needs_operator ORDER BY target")
    return {row["target"]: Attention(*row) for row in rows}


@lru_cache(maxsize=256)
def _service(row: tuple[Any, ...]) -> Service:
    """Return the unit a row is about; every webhook reads the same few rows."""
    values = dict(zip(_COLUMNS, row, strict=True))
    values["details"] = json.loads(values["details"])
    return Service(**values)
