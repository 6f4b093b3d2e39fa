"""The one loop: observe, plan, apply, judge, revert.

`Run.execute` takes a task from nothing to its outcome; `Run.recover` takes up a task whose process died,
from its journal: past the commit (a final verdict ok) it is finished, before it is taken back. Both end
with exactly one outcome record. Nothing here knows what a recipe is about.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from podup.clock import Clock
from podup.core.numbers import counted
from podup.core.states import Status
from podup.engine.record import Outcome, Record
from podup.engine.world import World
from podup.errors import PodupError
from podup.recipes.codec import decode, decode_facts
from podup.recipes.verbs import Aim, Decision, Facts, Health, Plan, Query, Recipe, Unknown, Verdict
from podup.records import dataclass

_ASK_EVERY_S = 2.0
_ENDED_WITHOUT_STEPS = {
    Decision.SKIP: Status.SKIPPED,
    Decision.POSTPONE: Status.PENDING,
    Decision.REFUSE: Status.SKIPPED,
    Decision.FAIL: Status.FAILED,
}


class Stopped(PodupError):
    """The task was asked to stop."""


class Postponed(PodupError):
    """A step asks to be tried later; `retry_after_s` says when. Nothing of the plan may have happened yet."""


@dataclass(frozen=True, slots=True)
class Job:
    """A recipe with its parameters, and whether only to plan."""

    recipe: Recipe[Any]
    params: Any
    dry_run: bool = False


class Run:
    """One task on its way. `is_stopped` is looked at between steps and while judging."""

    def __init__(
        self, job: Job, *, world: World, record: Record, clock: Clock, is_stopped: Callable[[], bool]
    ) -> None:
        self._recipe = job.recipe
        self._params = job.params
        self._dry_run = job.dry_run
        self._world = world
        self._record = record
        self._clock = clock
        self._is_stopped = is_stopped

    def execute(self) -> Outcome:
        """Do the task. Raises nothing a recipe or the machine is to blame for: that is an outcome."""
        before = self._world.observe_needs(partial(self._recipe.needs, self._params))
        plan = self._recipe.plan(self._params, before)
        self._record.plan(plan, before)
        if plan.decision is not Decision.DO or not plan.steps:
            return self._end_without_steps(plan, before)
        if self._dry_run:
            says = f"would take {counted(len(plan.steps), 'step')}"
            return self._end(Status.PLANNED, "planned", says, before)
        return self._carry_out(plan, before)

    def recover(self, records: Sequence[dict[str, Any]]) -> Outcome:
        """Bring a task whose process died to rest, from the records it left."""
        planned = next((record for record in records if record["type"] == "plan"), None)
        if planned is None or not any(record["type"] == "step" for record in records):
            return self._interrupted("stopped before its first step; nothing had changed", Facts())
        before = decode_facts(planned["before"])
        proven = next((record["verdict"] for record in records if _is_commit(record)), None)
        if proven is not None:
            self._record.note("warn", "the process died after the new state was proven; finishing")
            after = self._observe(self._recipe.watch(self._params, before))
            return self._succeed(before, after, says="; ".join(proven["reasons"]))
        if any(_is_returned(record) for record in records):
            return self._interrupted("died after everything was taken back", before)
        self._record.note("warn", "the process died in the middle; taking back what it did")
        planned_steps: Plan = decode(planned["plan"])
        begun = max(record["number"] for record in records if record["type"] == "step")
        step = planned_steps.steps[min(begun, len(planned_steps.steps)) - 1]
        if self._is_stopped():
            return self._take_back(before, f"stopped by force while: {step.says}", Status.CANCELLED)
        return self._take_back(before, f"interrupted while: {step.says}", Status.INTERRUPTED)

    def _carry_out(self, plan: Plan, before: Facts) -> Outcome:
        try:
            self._apply(plan, "apply", stoppable=True)
            after, verdict = self._settle(before, Aim.NEW, stoppable=True)
        except Stopped:
            return self._take_back(before, "stopped on request", Status.CANCELLED)
        except Postponed as later:
            until_s = self._clock.now() + (later.retry_after_s or 0)
            return self._write(Outcome(Status.PENDING, later.code, later.message, later.hint, until_s))
        except PodupError as error:
            return self._take_back(before, error.message, Status.ROLLED_BACK, look_closer=True)
        if verdict.health is Health.OK:
            return self._succeed(before, after, says="; ".join(verdict.reasons))
        if verdict.health is Health.UNKNOWN:
            return self._end(Status.UNKNOWN, "not-observable", _because(verdict), before, after)
        self._look_closer()
        return self._take_back(before, _because(verdict), Status.ROLLED_BACK)

    def _succeed(self, before: Facts, after: Facts, *, says: str) -> Outcome:
        tidy = self._recipe.finish(self._params, before, after)
        try:
            self._apply(tidy, "finish", stoppable=False)
        except PodupError as error:
            self._record.note("warn", f"tidying up failed: {error.message}", hint=error.hint)
        return self._end(Status.SUCCEEDED, "succeeded", says or "proven healthy", before, after)

    def _take_back(
        self, before: Facts, reason: str, status: Status, *, look_closer: bool = False
    ) -> Outcome:
        """Go back to `before`; `look_closer` at what is about to go, if there is anything to take back."""
        after = self._observe(self._recipe.watch(self._params, before))
        way_back = self._recipe.revert(self._params, before, after)
        if look_closer and way_back.steps:
            self._look_closer()
        self._record.revert(way_back, reason)
        if not way_back.steps:
            status = Status.FAILED if status is Status.ROLLED_BACK else status
            why = way_back.reason or "nothing had to be taken back"
            return self._end(status, way_back.code or "not-applied", f"{reason}; {why}", before, after)
        try:
            self._apply(way_back, "revert", stoppable=False)
            after, verdict = self._settle(before, Aim.OLD, stoppable=False)
        except PodupError as error:
            verdict = Verdict(Health.BAD, (error.message,))
        if verdict.health is Health.OK:
            says = "; ".join(filter(None, (reason, "taken back", way_back.reason)))
            return self._end(status, str(status).replace("_", "-"), says, before, after)
        self._look_closer()
        return self._end(
            Status.FAILED,
            "rollback-failed",
            f"{reason}; taking it back failed too: {_because(verdict)}",
            before,
            after,
        )

    def _interrupted(self, summary: str, before: Facts) -> Outcome:
        status = Status.CANCELLED if self._is_stopped() else Status.INTERRUPTED
        return self._end(status, str(status), summary, before)

    def _end_without_steps(self, plan: Plan, before: Facts) -> Outcome:
        if plan.decision is Decision.DO:
            return self._end(Status.SKIPPED, plan.code or "nothing-to-do", plan.reason, before)
        remember = self._recipe.remember(self._params, before, Facts(), plan.code)
        status = _ENDED_WITHOUT_STEPS[plan.decision]
        return self._write(Outcome(status, plan.code, plan.reason, plan.hint, plan.until_s, remember))

    def _end(
        self, status: Status, code: str, summary: str, before: Facts, after: Facts | None = None
    ) -> Outcome:
        known = after if after is not None else Facts()
        outcome = code if code == "rollback-failed" else str(status)
        remember = (
            () if status is Status.PLANNED else self._recipe.remember(self._params, before, known, outcome)
        )
        return self._write(Outcome(status, code, summary, remember=remember))

    def _write(self, outcome: Outcome) -> Outcome:
        self._record.outcome(outcome)
        return outcome

    def _observe(self, queries: Sequence[Query]) -> Facts:
        return self._world.observe_all(queries)

    def _apply(self, plan: Plan, phase: str, *, stoppable: bool) -> None:
        for number, step in enumerate(plan.steps, start=1):
            if stoppable and self._is_stopped():
                raise Stopped("stopped", "the task was asked to stop")
            self._record.step(number, step, phase)
            try:
                self._world.perform(step.action)
            except PodupError as error:
                self._record.done(number, phase, error.message, error.code)
                raise
            self._record.done(number, phase)

    def _settle(self, before: Facts, aim: Aim, *, stoppable: bool) -> tuple[Facts, Verdict]:
        """Observe and judge until ok has lasted, something is bad, or the deadline has passed."""
        timing = self._recipe.timing(self._params)
        started = self._clock.monotonic()
        ok_since: float | None = None
        asked = started
        said: Verdict | None = None
        while True:
            if stoppable and self._is_stopped():
                raise Stopped("stopped", "the task was asked to stop")
            after = self._observe(self._recipe.watch(self._params, before))
            verdict = self._recipe.judge(self._params, before, after, aim)
            now = self._clock.monotonic()
            ok_since = (now if ok_since is None else ok_since) if verdict.health is Health.OK else None
            settled = ok_since is not None and now - ok_since >= timing.settle_s
            late = ok_since is None and now - started >= timing.deadline_s
            if settled or late or verdict.health is Health.BAD:
                if late and verdict.health is Health.PENDING:
                    reasons = (f"not well within {timing.deadline_s:g} s", *verdict.reasons)
                    verdict = Verdict(Health.BAD, reasons)
                self._record.seen(after)
                self._record.verdict(verdict, aim, final=True)
                return after, verdict
            if verdict != said:
                self._record.verdict(verdict, aim, final=False)
                said = verdict
            if verdict.health is Health.PENDING and now - asked >= _ASK_EVERY_S:
                self._observe(verdict.asks)
                asked = self._clock.monotonic()
            self._clock.sleep(timing.every_s)

    def _look_closer(self) -> None:
        for query in self._recipe.diagnose(self._params):
            seen = self._world.observe(query)
            if isinstance(seen, Unknown):
                self._record.note("warn", f"could not look closer: {seen.reason}")
            else:
                self._record.diagnosis(seen)


def _is_commit(record: dict[str, Any]) -> bool:
    return _is_final_ok(record) and record["aim"] == Aim.NEW.value


def _is_returned(record: dict[str, Any]) -> bool:
    return _is_final_ok(record) and record["aim"] == Aim.OLD.value


def _is_final_ok(record: dict[str, Any]) -> bool:
    return (
        record["type"] == "verdict"
        and bool(record["final"])
        and record["verdict"]["health"] == Health.OK.value
    )


def _because(verdict: Verdict) -> str:
    return "; ".join(verdict.reasons) or str(verdict.health)
