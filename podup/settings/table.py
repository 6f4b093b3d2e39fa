"""The one table of settings.

`Settings` is what the program runs with: one frozen dataclass a group, each field carrying its row. `ROWS`
is the same table flat, in the order it is shown. A new setting is a field of a group and nothing else.
"""

from typing import Any

from podup.records import dataclass, field, fields, replace
from podup.settings.row import Row
from podup.settings.server_table import Access, Http, Limits, State
from podup.settings.work_table import Scheduler, Services, Stacks, Updates


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, in groups. Built by `podup.settings.load`; the defaults alone serve tests."""

    http: Http = field(default_factory=Http)
    access: Access = field(default_factory=Access)
    state: State = field(default_factory=State)
    limits: Limits = field(default_factory=Limits)
    services: Services = field(default_factory=Services)
    scheduler: Scheduler = field(default_factory=Scheduler)
    updates: Updates = field(default_factory=Updates)
    stacks: Stacks = field(default_factory=Stacks)


GROUPS: dict[str, tuple[str, type[Any]]] = {
    "http": ("Listening", Http),
    "access": ("Who may do what", Access),
    "state": ("Files and database", State),
    "limits": ("Rates", Limits),
    "services": ("Upgrading services", Services),
    "scheduler": ("Scheduler", Scheduler),
    "updates": ("Updating itself", Updates),
    "stacks": ("Compose stacks", Stacks),
}


def _rows() -> tuple[Row, ...]:
    found = []
    for name, (title, group) in GROUPS.items():
        for item in fields(group):
            found.append(replace(item.metadata["row"], group=title, path=(name, item.name)))
    return tuple(found)


ROWS: tuple[Row, ...] = _rows()
BY_ENV: dict[str, Row] = {row.env: row for row in ROWS}
OLDER: dict[str, Row] = {older: row for row in ROWS for older in row.older}
