"""The look at a stack after the task that changed it: what it finds, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from stack_simulator import Clock, Machine
from test_stack_runs import Sink

from podup.core.promotion import Proof
from podup.core.secrets import Redactor
from podup.core.stack_map import Stack, stacks_from
from podup.core.states import Status, Trigger
from podup.engine.intake import Intake
from podup.engine.memory import Memory
from podup.engine.record import Outcome, Record
from podup.engine.run import Job, Run
from podup.engine.stack_catalogue import StackCatalogue
from podup.engine.stack_log import StackLog
from podup.engine.stack_machine import StackMachine, StackRoots, StackTools
from podup.engine.stack_memory import stack_keepers
from podup.files import FileLock
from podup.recipes.stack_check import StackCheckParams
from podup.recipes.stack_goal import StackParams
from podup.recipes.table import recipe_of
from podup.recipes.verbs import Remember
from podup.store import tasks
from podup.store.db import Database
from podup.store.migrations import open_current
from podup.store.tasks import Task, TaskFilter


def run(machine: Machine, kind: str, params: Any) -> Outcome:
    record = Record(Sink(), machine.clock, Redactor())
    job = Job(recipe_of(kind), params)
    world = machine.world()
    return Run(job, world=world, record=record, clock=machine.clock, is_stopped=lambda: False).execute()


def looked_for(outcome: Outcome) -> dict[str, str]:
    return next(dict(item.values) for item in outcome.remember if item.what == "stack-check")


def look(machine: Machine, told: dict[str, str]) -> Outcome:
    known = {name: text for name, text in told.items() if name != "stack"}
    return run(machine, "stack_check", StackCheckParams(machine.stack, **known))


@pytest.fixture
def machine() -> Machine:
    made = Machine(Clock(), needs_proof=False)
    made.clock.sleep(100)
    return made


def test_what_stays_well_needs_nothing_more(machine: Machine) -> None:
    told = looked_for(run(machine, "stack_deploy", StackParams(machine.stack, "v2")))
    assert told == {"stack": "odoo-prod", "version": "v2", "action": "deploy", "back_to": "v1"}
    began = machine.clock.now()
    outcome = look(machine, told)
    assert (outcome.status, outcome.remember) == (Status.SUCCEEDED, ())
    assert machine.clock.now() - began >= machine.stack.settle_s


def test_what_sickens_after_it_was_called_good_is_given_back(machine: Machine) -> None:
    machine.behaviour["id-v2"] = "sickens-late"
    deployed = run(machine, "stack_deploy", StackParams(machine.stack, "v2"))
    assert deployed.status is Status.SUCCEEDED
    outcome = look(machine, looked_for(deployed))
    assert outcome.status is Status.FAILED and "web is unhealthy" in outcome.summary
    assert "a rollback to v1 follows" in outcome.summary
    told = {item.what: dict(item.values) for item in outcome.remember}
    assert list(told) == ["needs-operator", "stack-history", "stack-unproven", "stack-return"]
    assert told["stack-return"] == {"stack": "odoo-prod", "version": "v1", "instead_of": "v2"}
    line = told["stack-history"]
    assert (line["action"], line["version"], line["status"]) == ("deploy", "v2", "fail")


@pytest.mark.parametrize(
    ("kind", "params"),
    [("stack_rollback", {"version": "v2"}), ("stack_deploy", {"version": "v1"})],
)
def test_a_rollback_and_the_same_version_again_are_never_given_back(
    machine: Machine, kind: str, params: dict[str, str]
) -> None:
    told = looked_for(run(machine, kind, StackParams(machine.stack, **params)))
    assert told["back_to"] == ""
    machine.behaviour[f"id-{params['version']}"] = "exits"
    outcome = look(machine, told)
    assert outcome.status is Status.FAILED and "no version to go back to" in outcome.summary
    assert "stack-return" not in [item.what for item in outcome.remember]
    assert "needs-operator" in [item.what for item in outcome.remember]


def test_a_look_that_comes_after_the_next_change_says_so_and_judges_nothing(machine: Machine) -> None:
    told = looked_for(run(machine, "stack_deploy", StackParams(machine.stack, "v2")))
    run(machine, "stack_deploy", StackParams(machine.stack, "v3"))
    outcome = look(machine, told)
    assert (outcome.status, outcome.code, outcome.remember) == (Status.SKIPPED, "superseded", ())


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with FileLock(tmp_path / "daemon.lock") as lock:
        path, backups = tmp_path / "data/podup.db", tmp_path / "db-backups"
        opened, _ = open_current(path, lock=lock, version="0.1.0", now=1000.0, backups=backups)
        yield opened
        opened.close()


class Keeping:
    """The memory of a host with a staging stack, and what was submitted because of it."""

    def __init__(self, db: Database, root: Path) -> None:
        self._db = db
        self._clock = Clock()
        unused: Any = None
        self.stack: Stack = stacks_from({"odoo": {"env": "staging"}}, stacks_dir=str(root / "stacks"))[0]
        roots = StackRoots(root / "backups", root / "releases", root / "history.log")
        tools = StackTools(
            unused, unused, self._clock, unused, unused, lambda: "", unused, roots, (self.stack,)
        )
        self.machine = StackMachine(tools)
        numbers = count(1)
        self._intake = Intake(self._clock, lambda size: next(numbers).to_bytes(size, "big"))
        self._stacks = StackCatalogue((self.stack,), lambda: self.machine)
        log = StackLog(root / "history.log", self._clock)
        self._memory = Memory(stack_keepers(log, self._intake, self._stacks))

    def ended(self, *told: Remember) -> list[Task]:
        """Let a look end that remembers this; return the tasks there are then, newest first."""
        with self._db.write() as cx:
            values = {"stack": "odoo", "version": "v2", "action": "deploy", "back_to": "v1"}
            task = self._intake.submit(cx, self._stacks.look(values), Trigger("self"))
            outcome = Outcome(Status.FAILED, "not-well", "web is unhealthy", remember=told)
            self._memory.keep(cx, task, outcome, self._clock.now())
        with self._db.read() as cx:
            return tasks.find(cx, TaskFilter(), page=1, per_page=50)[0]

    def proof(self, version: str, stack: str) -> Proof:
        return Proof(self.stack.family, version, stack, self._clock.now(), "", (("a/b", "sha256:1"),))


def test_a_rollback_is_submitted_with_its_reason_and_without_dumps(db: Database, tmp_path: Path) -> None:
    values = {"stack": "odoo", "version": "v1", "instead_of": "v2"}
    made = Keeping(db, tmp_path).ended(Remember("stack-return", values))
    back = next(task for task in made if task.kind == "stack_rollback")
    params = dict(back.params)
    assert (params["version"], params["dumps"], params["instead_of"]) == ("v1", False, "v2")
    assert "not well" in params["reason"]
    assert back.trigger.source == "self" and back.trigger.reason.startswith("after tsk_")


def test_the_proof_of_what_was_not_well_is_withdrawn_and_no_other(db: Database, tmp_path: Path) -> None:
    keeping = Keeping(db, tmp_path)
    gone = Remember("stack-unproven", {"stack": "odoo", "version": "v2"})
    for proof in (keeping.proof("v1", "odoo"), keeping.proof("v2", "other")):
        keeping.machine.write_proof(keeping.stack, proof)
        keeping.ended(gone)
        assert keeping.machine.proof(keeping.stack.family) == proof
    keeping.machine.write_proof(keeping.stack, keeping.proof("v2", "odoo"))
    keeping.ended(gone)
    assert keeping.machine.proof(keeping.stack.family) is None
