"""Running the host's own auto-update unit and watching it to its end.

Podman decides there what to update and how; this kind only starts the unit, waits, and says how it
ended. What the unit's journal and its wrapper's log say meanwhile is read with it. A dry run asks podman
what it would do.

Podman knows of no quarantine. So whoever starts this, it is refused while Podman would pull a digest again
that was quarantined for the unit: Podman is asked what it would update, and the registry what is there.
"""

from podup.recipes.actions import StartUnit
from podup.recipes.codec import register
from podup.recipes.facts import (
    AutoUpdateOutlook,
    Diagnostics,
    RemoteImage,
    RemoteImageOf,
    UnitState,
    UnitStateOf,
)
from podup.recipes.policy import HeldBack, Policy, PolicyOf, refuse_return
from podup.recipes.verbs import (
    Aim,
    Facts,
    Health,
    Plan,
    Query,
    Remember,
    Step,
    Timing,
    Unknown,
    Verdict,
    fail,
    fail_unseen,
    leave,
    refuse,
)
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Moment(Query):
    """Yields the time now, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class AutoUpdateRunOf(Query):
    """How a run of the unit stands that was asked for at `since_s` (Unix seconds). Yields AutoUpdateRun."""

    unit: str
    since_s: float


@dataclass(frozen=True, slots=True)
class AutoUpdateRun:
    """What the journal said since then, None where it cannot be read, and the unit's state.

    The lines were read first, so a state beside a line is that of a run which has begun: the other way
    round a unit that was at rest a moment ago would look as if it had run already.
    """

    lines: tuple[str, ...] | None
    state: UnitState


@dataclass(frozen=True, slots=True)
class LogSizes(Query):
    """The JSONL files of a directory. Yields pairs of name and size in bytes, none without the directory."""

    directory: str


@dataclass(frozen=True, slots=True)
class LogLines(Query):
    """What was written to the JSONL files behind these `sizes`. Yields a tuple of sentences."""

    directory: str
    sizes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class AutoUpdateParams:
    """The unit that runs `podman auto-update`, how long it may take in seconds, and its wrapper's logs."""

    unit: str = "podman-auto-update.service"
    deadline_s: float = 1800.0
    journal_lines: int = 100
    dry_run: bool = False
    log_dir: str = ""


class AutoUpdateRecipe:
    """The recipe of the kind `auto-update`."""

    kind = "auto-update"
    title = "Run the auto-update unit"
    params = AutoUpdateParams

    def lock(self, p: AutoUpdateParams) -> tuple[str, ...]:
        return (f"unit:{p.unit}",)

    def needs(self, p: AutoUpdateParams, seen: Facts) -> tuple[Query, ...]:
        wanted: list[Query] = [PolicyOf(p.unit), UnitStateOf(p.unit)]
        if not p.dry_run:
            wanted += [Moment(), *((LogSizes(p.log_dir),) if p.log_dir else ())]
        if p.dry_run or _held_back(p, seen):
            wanted.append(AutoUpdateOutlook())
        return (*wanted, *(RemoteImageOf(held.image) for held in _would_touch(p, seen)))

    def plan(self, p: AutoUpdateParams, seen: Facts) -> Plan:
        state = seen[UnitStateOf(p.unit)]
        if isinstance(state, Unknown):
            return fail_unseen(state)
        if not isinstance(state, UnitState) or not state.exists:
            hint = "name the right one in PODUP_MANUAL_AUTO_UPDATE_UNIT"
            return refuse("unit-not-found", f"{p.unit} is not known to systemd", hint)
        outlook = seen.get(AutoUpdateOutlook())
        if isinstance(outlook, Unknown) and p.dry_run:
            return fail_unseen(outlook)
        refusal = _refuse_quarantined(p, seen)
        if refusal is not None:
            return refusal
        rows = outlook if isinstance(outlook, tuple) else ()
        would = [row.unit for row in rows if row.updated == "pending"]
        says = f"start {p.unit}" + (f", which would update {', '.join(would)}" if would else "")
        return Plan((Step(says, StartUnit(p.unit, wait=False)),))

    def watch(self, p: AutoUpdateParams, before: Facts) -> tuple[Query, ...]:
        wanted: list[Query] = [_run_of(p, before)]
        sizes = before.get(LogSizes(p.log_dir))
        if isinstance(sizes, tuple):
            wanted.append(LogLines(p.log_dir, sizes))
        return tuple(wanted)

    def timing(self, p: AutoUpdateParams) -> Timing:
        return Timing(p.deadline_s, 0.5, 2.0)  # one more look: what it says last comes a little later

    def judge(self, p: AutoUpdateParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        run: AutoUpdateRun | Unknown = after[_run_of(p, before)]
        if isinstance(run, Unknown):
            return Verdict(Health.UNKNOWN, (run.reason,))
        state = run.state
        if state.active in ("activating", "active", "reloading", "deactivating") and state.kind == "oneshot":
            return Verdict(Health.PENDING, (f"{p.unit} is at work",))
        if not _has_begun(run, before.get(UnitStateOf(p.unit))):
            return Verdict(Health.PENDING, (f"{p.unit} has not begun",))
        if state.active == "failed" or state.result != "success":
            return Verdict(Health.BAD, (f"{p.unit} ended with {state.result}, exit {state.exec_status}",))
        return Verdict(Health.OK, (f"{p.unit} ran to its end; how the services do was not looked at",))

    def revert(self, p: AutoUpdateParams, before: Facts, after: Facts) -> Plan:
        return leave("podmans-own", "what podman auto-update did is podman's own to take back")

    def diagnose(self, p: AutoUpdateParams) -> tuple[Query, ...]:
        return (Diagnostics(p.unit, p.journal_lines),)

    def finish(self, p: AutoUpdateParams, before: Facts, after: Facts) -> Plan:
        return Plan()

    def remember(
        self, p: AutoUpdateParams, before: Facts, after: Facts, outcome: str
    ) -> tuple[Remember, ...]:
        return ()


def _held_back(p: AutoUpdateParams, seen: Facts) -> tuple[HeldBack, ...]:
    policy = seen.get(PolicyOf(p.unit))
    return policy.held_back if isinstance(policy, Policy) else ()


def _would_touch(p: AutoUpdateParams, seen: Facts) -> tuple[HeldBack, ...]:
    """Return those Podman says it would update; all of them when it cannot say (before Podman 4)."""
    outlook = seen.get(AutoUpdateOutlook())
    if outlook is None:
        return ()
    if isinstance(outlook, Unknown):
        return _held_back(p, seen)
    pending = {row.unit for row in outlook if row.updated == "pending"}
    return tuple(held for held in _held_back(p, seen) if held.unit in pending)


def _refuse_quarantined(p: AutoUpdateParams, seen: Facts) -> Plan | None:
    for held in _would_touch(p, seen):
        remote = seen.get(RemoteImageOf(held.image))
        if not isinstance(remote, RemoteImage):
            reason = remote.reason if isinstance(remote, Unknown) else "the registry was not asked"
            why = f"whether {held.image} is what is quarantined for {held.unit} is not known: {reason}"
            return fail("quarantine-unknown", why, "see `quarantine list`")
        refusal = refuse_return(held, (remote.digest, remote.index_digest))
        if refusal is not None:
            return refusal
    return None


def _run_of(p: AutoUpdateParams, before: Facts) -> AutoUpdateRunOf:
    return AutoUpdateRunOf(p.unit, before.get(Moment(), 0.0))


def _has_begun(run: AutoUpdateRun, old: UnitState | Unknown | None) -> bool:
    """Return whether the unit ran since the start was asked for, as far as can be known.

    A unit at rest may be forgotten by systemd with its invocation; then the journal tells that it ran.
    """
    if not isinstance(old, UnitState):
        return True
    is_another = bool(run.state.invocation) and run.state.invocation != old.invocation
    return is_another or run.lines is None or bool(run.lines)


AUTO_UPDATE = AutoUpdateRecipe()

register(AutoUpdateParams, Moment, AutoUpdateRunOf, AutoUpdateRun, LogSizes, LogLines)
