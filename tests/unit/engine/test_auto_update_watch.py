"""The auto-update unit is asked in an order in which a run that begins meanwhile is not judged too early."""

from __future__ import annotations

import json
from itertools import count

import pytest

from podup.engine.auto_update_watch import AutoUpdateWatch
from podup.host.journal import Journal
from podup.host.run import Command, Completed
from podup.host.simulator.clock import ManualClock
from podup.host.systemd import Systemd
from podup.recipes.auto_update import AUTO_UPDATE, AutoUpdateParams, Moment
from podup.recipes.facts import UnitStateOf
from podup.recipes.verbs import Aim, Facts, Health, Verdict

PARAMS = AutoUpdateParams()


class LateUnit:
    """A host whose unit begins to run with the command number `begins` and has ended with number 9.

    Before, it ended with `old`; now it ends with `result`. `forgets` lets systemd unload it when it is well.
    """

    def __init__(
        self, begins: int, *, old: str = "success", result: str = "success", forgets: bool = False
    ) -> None:
        self.asked = 0
        self.has_journal = True
        self._begins, self._ends = begins, 9
        self._old, self._result, self._forgets = old, result, forgets

    def run(self, command: Command) -> Completed:
        self.asked += 1
        if command.argv[0] == "systemctl":
            return Completed(command, 0, self._show(), "", 1)
        if not self.has_journal:
            return Completed(command, 1, "", "no journal files were found", 1)
        said = ["Starting"] * (self.asked >= self._begins) + ["last words"] * (self.asked >= self._ends)
        rows = [json.dumps({"SYSLOG_IDENTIFIER": "unit", "MESSAGE": text}) for text in said]
        return Completed(command, 0, "\n".join(rows), "", 1)

    def _show(self) -> str:
        if self._begins <= self.asked < self._ends:
            active, result, invocation = "activating", "success", "new"
        else:
            has_run = self.asked >= self._ends
            result = self._result if has_run else self._old
            active = "inactive" if result == "success" else "failed"
            invocation = "new" if has_run else "old"
        if self._forgets and active == "inactive":
            invocation = ""
        return (
            f"Id={PARAMS.unit}\nLoadState=loaded\nActiveState={active}\nResult={result}\n"
            f"Type=oneshot\nInvocationID={invocation}\n"
        )


def judged(unit: LateUnit) -> tuple[Verdict, list[str]]:
    """Look again until there is a verdict; return it with what was told."""
    told: list[str] = []
    clock = ManualClock()
    systemd = Systemd(unit)
    state = systemd.show(PARAMS.unit)[0]
    watch = AutoUpdateWatch(Journal(unit), systemd, clock, lambda level, says: told.append(f"{level} {says}"))
    before = Facts({Moment(): clock.now(), UnitStateOf(PARAMS.unit): state})
    for _ in count():
        after = watch.world().observe_all(AUTO_UPDATE.watch(PARAMS, before))
        verdict = AUTO_UPDATE.judge(PARAMS, before, after, Aim.NEW)
        if verdict.health is not Health.PENDING:
            return verdict, told
    raise AssertionError("it never ends")


@pytest.mark.parametrize("begins", [2, 3, 4, 5])
@pytest.mark.parametrize("old", ["success", "exit-code"])
@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize(("result", "health"), [("success", Health.OK), ("exit-code", Health.BAD)])
def test_it_is_judged_by_this_run_and_not_before_its_end(
    begins: int, old: str, forgets: bool, result: str, health: Health
) -> None:
    unit = LateUnit(begins, old=old, result=result, forgets=forgets)
    verdict, told = judged(unit)
    assert verdict.health is health
    assert unit.asked >= 9
    assert told == ["info journal: unit: Starting", "info journal: unit: last words"]


def test_without_a_journal_its_state_tells_and_the_journals_trouble_is_told_once() -> None:
    unit = LateUnit(2, result="exit-code")
    unit.has_journal = False
    verdict, told = judged(unit)
    assert verdict.health is Health.BAD
    assert len(told) == 1 and told[0].startswith("warn ")
