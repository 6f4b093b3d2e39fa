"""Whether a unit that runs a container is well: pure judgement, shared by every recipe that restarts one."""

from podup.core.probes import parse_probe
from podup.errors import PodupError
from podup.recipes.facts import (
    ContainerOf,
    ContainerState,
    Dependants,
    ProbeResult,
    UnitState,
    UnitStateOf,
)
from podup.recipes.health_checks import HealthCheckNow
from podup.recipes.verbs import Facts, Health, Plan, Query, Unknown, Verdict, refuse
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has to hold: the unit, the image id its container must run (empty: any), and its probe."""

    unit: str
    image_id: str = ""
    probe: str = ""
    has_container: bool = True


def queries(wanted: Wanted) -> tuple[Query, ...]:
    """Return what `judge_unit` needs to have seen."""
    asked: list[Query] = [UnitStateOf(wanted.unit), Dependants(wanted.unit)]
    if wanted.has_container:
        asked.append(ContainerOf(wanted.unit))
    if wanted.probe:
        asked.append(ProbeResult(wanted.probe))
    return tuple(asked)


def judge_unit(wanted: Wanted, before: Facts, after: Facts) -> Verdict:
    """Return the worst of what the unit, its container, its probe and its dependants say."""
    state = after[UnitStateOf(wanted.unit)]
    if isinstance(state, Unknown):
        return Verdict(Health.UNKNOWN, (state.reason,))
    verdicts = [_judge_state(state)]
    if wanted.has_container and not _is_finished(wanted.unit, state, before, after):
        verdicts.append(_judge_container(after[ContainerOf(wanted.unit)], wanted))
    if wanted.probe:
        verdicts.append(_judge_probe(after[ProbeResult(wanted.probe)]))
    verdicts.append(_judge_dependants(Dependants(wanted.unit), before, after))
    return worst(verdicts)


def judge_stopped(unit: str, after: Facts) -> Verdict:
    """Return whether the unit is down, without a failure."""
    state = after[UnitStateOf(unit)]
    if isinstance(state, Unknown):
        return Verdict(Health.UNKNOWN, (state.reason,))
    if state.active == "inactive":
        return Verdict(Health.OK)
    says = (f"{unit} is {state.active}, and was stopped before",)
    return Verdict(Health.PENDING if state.is_changing else Health.BAD, says)


def refuse_probe(spec: str) -> Plan | None:
    """Return the plan that refuses a probe nobody could try, before anything is touched; else None."""
    try:
        if spec:
            parse_probe(spec)
    except PodupError as error:
        return refuse(error.code, error.message, error.hint)
    return None


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the gravest health with all reasons of that health."""
    for health in (Health.BAD, Health.UNKNOWN, Health.PENDING):
        alike = [verdict for verdict in verdicts if verdict.health is health]
        if alike:
            reasons = tuple(reason for verdict in alike for reason in verdict.reasons)
            return Verdict(health, reasons, tuple(ask for verdict in alike for ask in verdict.asks))
    return Verdict(Health.OK)


def is_broken(wanted: Wanted, seen: Facts) -> str:
    """Return why the service was not well when seen, or an empty string."""
    state = seen.get(UnitStateOf(wanted.unit))
    container = seen.get(ContainerOf(wanted.unit))
    if (
        isinstance(state, UnitState)
        and state.exists
        and (state.active == "failed" or state.sub == "auto-restart")
    ):
        return f"{wanted.unit} was {state.active} ({state.result})"
    if isinstance(container, ContainerState) and container.is_unwell:
        return f"the container of {wanted.unit} was unhealthy"
    return ""


def fallen(unit: str, before: Facts, after: Facts) -> tuple[str, ...]:
    """Return the units that need `unit`, were active and are not: a start that failed took them along."""
    was, now = before.get(Dependants(unit)), after.get(Dependants(unit))
    if not isinstance(was, tuple) or not isinstance(now, tuple):
        return ()
    states = dict(now)
    return tuple(other for other, active in was if active == "active" and states.get(other) != "active")


def _has_worked(state: UnitState) -> bool:
    is_over = state.active == "inactive" or (state.active, state.sub) == ("active", "exited")
    return state.is_job and is_over and state.result == "success"


def _is_finished(unit: str, state: UnitState, before: Facts, after: Facts) -> bool:
    """Return whether its work is done and no container is left to look at.

    One that stays active (RemainAfterExit=) may have left a container to run on: it has to be there again.
    """
    looked_at = (before, after) if state.is_active else (after,)
    left = [facts.get(ContainerOf(unit)) for facts in looked_at]
    return _has_worked(state) and not any(isinstance(one, ContainerState) and one.running for one in left)


def _judge_state(state: UnitState) -> Verdict:
    if not state.exists:
        return Verdict(Health.BAD, (f"{state.unit} is not known to systemd",))
    if state.active == "failed":
        return Verdict(Health.BAD, (f"{state.unit} failed: {state.result}",))
    if state.restarts > 0:
        times = "once" if state.restarts == 1 else f"{state.restarts} times"
        return Verdict(Health.BAD, (f"{state.unit} ended and was restarted {times} by systemd",))
    if state.sub == "auto-restart":
        return Verdict(Health.BAD, (f"{state.unit} ended and waits for systemd to restart it",))
    if state.is_changing:
        return Verdict(Health.PENDING, (f"{state.unit} is {state.active}",))
    if state.is_active or _has_worked(state):
        return Verdict(Health.OK)
    return Verdict(Health.BAD, (f"{state.unit} is {state.active} ({state.sub}), result {state.result}",))


def _judge_container(container: ContainerState | Unknown | None, wanted: Wanted) -> Verdict:
    if isinstance(container, Unknown):
        return Verdict(Health.UNKNOWN, (container.reason,))
    if container is None:
        return Verdict(Health.PENDING, (f"{wanted.unit} has no container",))
    if container.restarts > 0:
        return Verdict(Health.BAD, (f"container {container.name} was restarted by podman",))
    if wanted.image_id and container.image_id != wanted.image_id:
        return Verdict(Health.PENDING, (f"container {container.name} runs another image",))
    if not container.running:
        return Verdict(
            Health.PENDING, (f"container {container.name} is {container.status or 'not running'}",)
        )
    return judge_check(container, f"container {container.name}")


def judge_check(container: ContainerState, name: str) -> Verdict:
    """Return what the container's own health check says; one without is well.

    Podman makes it at the start, too early, and then after its interval: minutes, or never. So where that is
    not soon the check is asked for.
    """
    said = f": {container.health_says}" if container.health_says else ""
    if container.is_unwell:
        return Verdict(Health.BAD, (f"{name} is unhealthy{said}",))
    if container.health in ("starting", "unhealthy"):
        check = container.check
        period = f" (its start period is {check.start_period_s:g} s)" if check.start_period_s else ""
        wants = check.is_askable and not check.comes_soon
        asks = (HealthCheckNow(container.id),) if wants else ()
        says = f"the health check of {name} has not passed yet{period}{said}"
        return Verdict(Health.PENDING, (says,), asks)
    return Verdict(Health.OK)


def _judge_probe(probed: object) -> Verdict:
    if isinstance(probed, Unknown):
        return Verdict(Health.PENDING, (probed.reason,))
    says = str(getattr(probed, "says", ""))
    return Verdict(Health.OK) if getattr(probed, "ok", False) else Verdict(Health.PENDING, (says,))


def _judge_dependants(query: Dependants, before: Facts, after: Facts) -> Verdict:
    was, now = before.get(query), after.get(query)
    if isinstance(now, Unknown) or isinstance(was, Unknown) or was is None or now is None:
        return Verdict(Health.OK)
    states = dict(now)
    down = [(unit, states.get(unit, "gone")) for unit, active in was if active == "active"]
    failed = tuple(
        f"{unit}, which needs it, is {state}" for unit, state in down if state in ("failed", "gone")
    )
    if failed:
        return Verdict(Health.BAD, failed)
    waiting = tuple(f"{unit}, which needs it, is {state}" for unit, state in down if state != "active")
    return Verdict(Health.PENDING, waiting) if waiting else Verdict(Health.OK)
