"""Restarting a unit: it is restarted and proven well. There is nothing older to go back to."""

from podup.recipes.actions import ResetFailed, RestartUnit
from podup.recipes.codec import register
from podup.recipes.facts import (
    ContainerOf,
    ContainerState,
    Dependants,
    Diagnostics,
    UnitConfig,
    UnitConfigOf,
    UnitStateOf,
)
from podup.recipes.refusals import refuse_state
from podup.recipes.unit_health import Wanted, judge_unit, queries
from podup.recipes.verbs import (
    DEFAULT_TIMING,
    Aim,
    Facts,
    Plan,
    Query,
    Remember,
    Step,
    Timing,
    Verdict,
    leave,
)
from podup.records import dataclass

_RUNS_CONTAINER = ("quadlet", "podman-run", "podman-start")


@dataclass(frozen=True, slots=True)
class RestartParams:
    """The unit, and how long to look at it afterwards."""

    unit: str
    timing: Timing = DEFAULT_TIMING
    journal_lines: int = 100


class RestartRecipe:
    """The recipe of the kind `restart`."""

    kind = "restart"
    title = "Restart a unit"
    params = RestartParams

    def lock(self, p: RestartParams) -> tuple[str, ...]:
        return (f"unit:{p.unit}",)

    def needs(self, p: RestartParams, seen: Facts) -> tuple[Query, ...]:
        return (UnitStateOf(p.unit), UnitConfigOf(p.unit), ContainerOf(p.unit), Dependants(p.unit))

    def plan(self, p: RestartParams, seen: Facts) -> Plan:
        state = seen[UnitStateOf(p.unit)]
        refusal = refuse_state(p.unit, state)
        if refusal is not None:
            return refusal
        patience_s = max(RestartUnit(p.unit).timeout_s, p.timing.deadline_s)
        steps = [Step(f"restart {p.unit}", RestartUnit(p.unit, patience_s))]
        if state.active == "failed":
            steps.insert(0, Step(f"forget failed starts of {p.unit}", ResetFailed(p.unit)))
        return Plan(tuple(steps))

    def watch(self, p: RestartParams, before: Facts) -> tuple[Query, ...]:
        return queries(_wanted(p, before))

    def timing(self, p: RestartParams) -> Timing:
        return p.timing

    def judge(self, p: RestartParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        return judge_unit(_wanted(p, before), before, after)

    def revert(self, p: RestartParams, before: Facts, after: Facts) -> Plan:
        return leave("nothing-older", "a restart cannot be taken back")

    def diagnose(self, p: RestartParams) -> tuple[Query, ...]:
        return (Diagnostics(p.unit, p.journal_lines),)

    def finish(self, p: RestartParams, before: Facts, after: Facts) -> Plan:
        return Plan()

    def remember(self, p: RestartParams, before: Facts, after: Facts, outcome: str) -> tuple[Remember, ...]:
        return (Remember("well", {"unit": p.unit}),) if outcome == "succeeded" else ()


def _wanted(p: RestartParams, before: Facts) -> Wanted:
    config = before.get(UnitConfigOf(p.unit))
    was_seen = isinstance(before.get(ContainerOf(p.unit)), ContainerState)
    runs_container = (
        isinstance(config, UnitConfig)
        and config.source in _RUNS_CONTAINER
        and (was_seen or bool(config.container_name) or config.is_labelled)
    )
    probe = config.probe if isinstance(config, UnitConfig) else ""
    return Wanted(p.unit, "", probe, runs_container)


RESTART = RestartRecipe()

register(RestartParams)
