"""The loop on a toy machine: a lamp that is switched on, and back when it does not shine."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from podup.core.secrets import Redactor
from podup.core.states import Status
from podup.engine.record import Record, current
from podup.engine.run import Job, Postponed, Run
from podup.engine.story import tell
from podup.engine.world import World
from podup.errors import PodupError
from podup.files import JournalWriter, read_journal
from podup.host.run import Command, Completed
from podup.recipes.codec import register
from podup.recipes.verbs import (
    Action,
    Aim,
    Decision,
    Facts,
    Health,
    Plan,
    Query,
    Remember,
    Step,
    Timing,
    Verdict,
)
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Lamp(Query):
    name: str


@dataclass(frozen=True, slots=True)
class Switch(Action):
    to: str


@dataclass(frozen=True, slots=True)
class Polish(Action):
    pass


register(Lamp, Switch, Polish)


class LampRecipe:
    kind = "lamp"
    title = "Switch a lamp"
    params = str

    def lock(self, p: str) -> tuple[str, ...]:
        return (f"lamp:{p}",)

    def needs(self, p: str, seen: Facts) -> tuple[Query, ...]:
        return (Lamp("hall"),) if not seen else (Lamp("hall"), Lamp("cellar"))

    def plan(self, p: str, seen: Facts) -> Plan:
        if seen[Lamp("hall")] == p:
            return Plan((), Decision.SKIP, "up-to-date", "it is so already")
        return Plan((Step("polish it", Polish()), Step(f"switch it {p}", Switch(p))))

    def watch(self, p: str, before: Facts) -> tuple[Query, ...]:
        return (Lamp("hall"),)

    def timing(self, p: str) -> Timing:
        return Timing(deadline_s=5, settle_s=2, every_s=0.5)

    def judge(self, p: str, before: Facts, after: Facts, aim: Aim) -> Verdict:
        wanted = p if aim is Aim.NEW else before[Lamp("hall")]
        seen = after[Lamp("hall")]
        if seen == "broken":
            return Verdict(Health.BAD, ("the bulb is broken",))
        if seen != wanted:
            return Verdict(Health.PENDING, (f"it is {seen}",))
        return Verdict(Health.OK, ("it shines a little",) if seen == "dim" else ())

    def revert(self, p: str, before: Facts, after: Facts) -> Plan:
        if after[Lamp("hall")] == before[Lamp("hall")]:
            return Plan()
        return Plan((Step("switch it back", Switch(before[Lamp("hall")])),))

    def diagnose(self, p: str) -> tuple[Query, ...]:
        return (Lamp("cellar"),)

    def finish(self, p: str, before: Facts, after: Facts) -> Plan:
        return Plan((Step("polish it", Polish()),))

    def remember(self, p: str, before: Facts, after: Facts, outcome: str) -> tuple[Remember, ...]:
        return (Remember("lamp", {"outcome": outcome}),)


class Killed(BaseException):
    """The process is gone."""


@dataclasses.dataclass
class House:
    """A lamp with rules: `shines` maps a switch position to what is seen afterwards."""

    lamp: str = "off"
    shines: dict[str, str] = dataclasses.field(default_factory=dict)
    fails: dict[str, PodupError] = dataclasses.field(default_factory=dict)
    kill_at: str = ""
    done: list[str] = dataclasses.field(default_factory=list)
    now_s: float = 1000.0
    turns: dict[float, str] = dataclasses.field(default_factory=dict)

    def now(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        for moment, lamp in self.turns.items():
            if self.now_s >= 1000 + moment:
                self.lamp = lamp

    def switch(self, action: Switch) -> None:
        self._act(f"switch {action.to}")
        self.lamp = self.shines.get(action.to, action.to)

    def polish(self, action: Polish) -> None:
        self._act("polish")

    def _act(self, name: str) -> None:
        if name == self.kill_at:
            self.kill_at = ""
            raise Killed
        if name in self.fails:
            raise self.fails[name]
        self.done.append(name)

    def world(self) -> World:
        return World({Lamp: lambda query: self.lamp}, {Switch: self.switch, Polish: self.polish})


class Sink(list[dict[str, Any]]):
    def write(self, record: dict[str, Any], *, sync: bool = True) -> None:
        self.append(record)


def make_run(
    house: House, sink: Sink, *, to: str = "on", dry_run: bool = False, stopped: bool = False
) -> Run:
    record = Record(sink, house, Redactor())  # type: ignore[arg-type]
    job = Job(LampRecipe(), to, dry_run)
    return Run(job, world=house.world(), record=record, clock=house, is_stopped=lambda: stopped)  # type: ignore[arg-type]


def test_a_good_change_is_proven_settled_and_tidied() -> None:
    house, sink = House(), Sink()
    outcome = make_run(house, sink).execute()
    assert outcome.status is Status.SUCCEEDED
    assert house.done == ["polish", "switch on", "polish"]
    assert house.now_s - 1000 >= 2
    assert [record["type"] for record in sink][:3] == ["plan", "step", "done"]
    assert sink[-1]["type"] == "outcome"
    assert outcome.remember[0].values == {"outcome": "succeeded"}


def test_a_dry_run_plans_and_touches_nothing() -> None:
    house, sink = House(), Sink()
    assert make_run(house, sink, dry_run=True).execute().status is Status.PLANNED
    assert house.done == [] and house.lamp == "off"


def test_nothing_to_do_is_skipped_with_the_reason() -> None:
    outcome = make_run(House(lamp="on"), Sink()).execute()
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "up-to-date")


def test_a_bad_verdict_is_taken_back_and_judged() -> None:
    house, sink = House(shines={"on": "broken"}), Sink()
    outcome = make_run(house, sink).execute()
    assert outcome.status is Status.ROLLED_BACK
    assert house.lamp == "off"
    assert "the bulb is broken" in outcome.summary


def test_what_turns_bad_while_settling_is_taken_back() -> None:
    house = House(turns={1.0: "broken"})
    house.turns = {1.0: "broken"}
    outcome = make_run(house, Sink()).execute()
    assert outcome.status in (Status.ROLLED_BACK, Status.FAILED)
    assert "switch off" in house.done


def test_never_ready_is_bad_at_the_deadline() -> None:
    house = House(shines={"on": "flickering"})
    outcome = make_run(house, Sink()).execute()
    assert outcome.status is Status.ROLLED_BACK
    assert "not well within 5 s" in outcome.summary
    assert house.now_s - 1000 <= 5 + 2 + 1


def test_a_failing_first_step_changes_nothing_and_takes_nothing_back() -> None:
    house = House(fails={"polish": PodupError("no-cloth", "there is no cloth")})
    outcome = make_run(house, Sink()).execute()
    assert (outcome.status, house.done) == (Status.FAILED, [])


def test_a_rollback_that_fails_is_a_failure_that_says_both() -> None:
    house = House(shines={"on": "broken"}, fails={"switch off": PodupError("stuck", "the switch is stuck")})
    outcome = make_run(house, Sink()).execute()
    assert (outcome.status, outcome.code) == (Status.FAILED, "rollback-failed")
    assert "broken" in outcome.summary and "stuck" in outcome.summary
    assert outcome.remember[0].values == {"outcome": "rollback-failed"}


def test_a_stop_before_the_first_step_is_cancelled() -> None:
    house = House()
    outcome = make_run(house, Sink(), stopped=True).execute()
    assert (outcome.status, house.done) == (Status.CANCELLED, [])


def test_a_postponing_step_leaves_the_task_pending() -> None:
    house = House(fails={"polish": Postponed("later", "not now", retry_after_s=60)})
    outcome = make_run(house, Sink()).execute()
    assert (outcome.status, outcome.not_before_s) == (Status.PENDING, 1060.0)


@pytest.mark.parametrize("kill_at", ["polish", "switch on"])
def test_a_killed_task_comes_to_rest_on_what_was_before(kill_at: str) -> None:
    house, sink = House(kill_at=kill_at), Sink()
    with pytest.raises(Killed):
        make_run(house, sink).execute()
    outcome = make_run(house, sink).recover(current(sink))
    assert outcome.status is Status.INTERRUPTED
    assert house.lamp == "off"
    assert current(sink) == []


def test_killed_after_the_proof_it_is_finished_not_taken_back() -> None:
    house, sink = House(), Sink()
    make_run(house, sink).execute()
    committed = [record for record in sink if record["type"] != "outcome"]
    outcome = make_run(house, sink).recover(committed)
    assert (outcome.status, house.lamp) == (Status.SUCCEEDED, "on")


def test_a_success_says_what_was_found_where_that_is_not_health() -> None:
    house, sink = House(), Sink()
    assert make_run(house, sink).execute().summary == "proven healthy"
    dim = Sink()
    assert make_run(House(), dim, to="dim").execute().summary == "it shines a little"
    said = [line["summary"] for line in tell(dim, "").logs if line["action"] == "judge"]
    assert said == ["well so far", "it shines a little"]
    unended = [record for record in dim if record["type"] != "outcome"]
    finished = make_run(House(lamp="dim"), dim, to="dim").recover(unended)
    assert finished.summary == "it shines a little"


def test_killed_while_taking_back_a_second_recovery_ends_it() -> None:
    house, sink = House(shines={"on": "broken"}, kill_at="switch off"), Sink()
    with pytest.raises(Killed):
        make_run(house, sink).execute()
    assert make_run(house, sink).recover(current(sink)).status is Status.INTERRUPTED
    assert house.lamp == "off"


def test_recovery_goes_back_to_what_looks_like_a_secret_and_nobody_is_shown_it() -> None:
    house, sink = House(lamp="token=dim", kill_at="switch on"), Sink()
    with pytest.raises(Killed):
        make_run(house, sink).execute()
    house.lamp = "on"
    assert make_run(house, sink).recover(current(sink)).status is Status.INTERRUPTED
    assert house.lamp == "token=dim"
    for record in sink:
        record.setdefault("ts", 0)
    story = tell(sink)
    assert "dim" not in repr((story.before, story.plan, story.after))


def test_the_values_of_an_environment_are_not_kept() -> None:
    sink = Sink()
    record = Record(sink, House(), Redactor())  # type: ignore[arg-type]
    said = '[{"Env": ["KEY=hunter2"]}]'
    asked = Command(("podman", "inspect"), mutates=False)
    record.command(Completed(asked, 0, said, "run --env KEY=hunter2", 1))
    assert "hunter2" not in repr(sink[0])
    assert (sink[0]["stdout"], sink[0]["truncated"]) == ('[{"Env": ["KEY=***"]}]', False)


@dataclass(frozen=True, slots=True)
class Said:
    first: str
    second: str
    third: str


register(Said)


@pytest.mark.parametrize("letter", ["x", "\x01", "\x1b", "é", "字", '"', "\\", "\ud800"])
def test_what_a_container_prints_never_makes_a_record_too_long(letter: str, tmp_path: Path) -> None:
    text = letter * 300_000
    with JournalWriter(tmp_path / "journal") as sink:
        record = Record(sink, House(), Redactor())  # type: ignore[arg-type]
        record.diagnosis(Said(text, text, text))
        record.command(Completed(Command(("podman", "logs"), mutates=False), 0, text, text, 1))
    kept, _ = read_journal(tmp_path / "journal")
    assert kept[1]["truncated"] is True
    assert kept[0]["report"]["first"].endswith(letter) or not letter.isprintable()
