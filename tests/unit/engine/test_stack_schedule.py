"""What stacks leave in the database: scheduled backups, each time once, and the history of what ended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from stack_simulator import Clock

from podup.core.stack_map import stacks_from
from podup.core.states import Status, Trigger
from podup.engine.intake import Intake
from podup.engine.memory import Memory
from podup.engine.record import Outcome
from podup.engine.stack_catalogue import ChangeWish, StackCatalogue
from podup.engine.stack_log import StackLog
from podup.engine.stack_memory import stack_keepers
from podup.engine.stack_schedule import StackSchedule
from podup.errors import Invalid
from podup.files import FileLock
from podup.recipes.verbs import Remember
from podup.store import stack_history, tasks
from podup.store.db import Database
from podup.store.migrations import open_current
from podup.store.tasks import TaskFilter

UNUSED: Any = None
_NUMBERS = count(1)
FACT = {"stack": "odoo", "env": "prod", "action": "deploy", "version": "v2", "status": "success", "notes": ""}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with FileLock(tmp_path / "daemon.lock") as lock:
        path, backups = tmp_path / "data/podup.db", tmp_path / "db-backups"
        opened, _ = open_current(path, lock=lock, version="0.1.0", now=1000.0, backups=backups)
        yield opened
        opened.close()


def catalogue() -> StackCatalogue:
    return StackCatalogue(
        stacks_from({"odoo": {"backup_cron": "30 3 * * *"}, "web": {}}, stacks_dir="/srv/stacks"), UNUSED
    )


def intake(clock: Clock) -> Intake:

    return Intake(clock, lambda count: next(_NUMBERS).to_bytes(count, "big"))


def kinds(db: Database) -> list[str]:
    with db.read() as cx:
        return [task.kind for task in tasks.find(cx, TaskFilter(), page=1, per_page=50)[0]]


def test_a_backup_is_submitted_once_a_day_over_restarts(db: Database) -> None:
    clock = Clock()  # 2027-01-15 08:00 UTC

    def schedule() -> StackSchedule:
        return StackSchedule(catalogue(), store=db, intake=intake(clock), clock=clock)

    assert schedule().turn() == 3600.0
    assert kinds(db) == []
    clock.sleep(19.6 * 3600)
    schedule().turn()
    schedule().turn()
    assert kinds(db) == ["stack_backup"]
    clock.sleep(3 * 24 * 3600)
    schedule().turn()
    assert kinds(db) == ["stack_backup"] * 2


def test_what_ended_is_in_log_and_table_once_and_looked_at_again(db: Database, tmp_path: Path) -> None:
    clock = Clock()
    log = StackLog(tmp_path / "history.log", clock)
    stacks, entry = catalogue(), intake(clock)
    memory = Memory(stack_keepers(log, entry, stacks))
    told = (Remember("stack-history", FACT), Remember("stack-check", {"stack": "odoo"}))
    with db.write() as cx:
        wish = ChangeWish(version="v2")
        task = entry.submit(cx, stacks.deploy(stacks.find("odoo"), wish), Trigger("cli"))
    outcome = Outcome(Status.SUCCEEDED, "succeeded", "proven healthy", remember=told)
    with pytest.raises(ZeroDivisionError), db.write() as cx:
        memory.keep(cx, task, outcome, clock.now())
        raise ZeroDivisionError
    with db.write() as cx:
        memory.keep(cx, task, outcome, clock.now())
    lines = (tmp_path / "history.log").read_text().splitlines()
    assert lines == [f"2027-01-15 08:00:00 | odoo | prod | deploy | v2 | success | {task.id}"]
    with db.read() as cx:
        rows, total = stack_history.find(cx)
    assert (total, rows[0].version, rows[0].task_id) == (1, "v2", task.id)
    assert sorted(kinds(db)) == ["stack_check", "stack_deploy"]


def test_wishes_are_checked_before_they_become_tasks() -> None:
    stacks = catalogue()
    odoo = stacks.find("odoo", "prod")
    with pytest.raises(Invalid, match="belongs to prod"):
        stacks.find("odoo", "staging")
    for wish in (ChangeWish(), ChangeWish(version="a b"), ChangeWish(version="v1", skip_smoke=True)):
        with pytest.raises(Invalid):
            stacks.deploy(odoo, wish)
    intent = stacks.rollback(odoo, ChangeWish())
    assert (intent.kind, intent.unit, dict(intent.meta)) == (
        "stack_rollback",
        "stack:odoo",
        {"stack": "odoo", "env": "prod"},
    )
