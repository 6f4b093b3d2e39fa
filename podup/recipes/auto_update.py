"""Running the host's own auto-update unit and watching it to its end.

Podman decides there what to update and how; this kind only starts the unit, waits, and says how it
ended. A dry run asks podman what it would do.
"""

from podup.recipes.codec import register
from podup.recipes.facts import AutoUpdateOutlook, Diagnostics, StartUnit, UnitState, UnitStateOf
from podup.recipes.verbs import (
    Aim,
    Decision,
    Facts,
    Health,
    Plan,
    Query,
    Remember,
    Step,
    Timing,
    Unknown,
    Verdict,
)
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class AutoUpdateParams:
    """The unit that runs `podman auto-update`, and how long it may take in seconds."""

    unit: str = "podman-auto-update.service"
    deadline_s: float = 1800.0
    journal_lines: int = 100
    dry_run: bool = False


class AutoUpdateRecipe:
    """The recipe of the kind `auto-update`."""

    kind = "auto-update"
    title = "Run the auto-update unit"
    params = AutoUpdateParams

    def lock(self, p: AutoUpdateParams) -> tuple[str, ...]:
        return (f"unit:{p.unit}",)

    def needs(self, p: AutoUpdateParams, seen: Facts) -> tuple[Query, ...]:
        return (UnitStateOf(p.unit), AutoUpdateOutlook()) if p.dry_run else (UnitStateOf(p.unit),)

    def plan(self, p: AutoUpdateParams, seen: Facts) -> Plan:
        state = seen[UnitStateOf(p.unit)]
        if isinstance(state, Unknown):
            return Plan((), Decision.FAIL, state.code, state.reason, state.hint)
        if not isinstance(state, UnitState) or not state.exists:
            hint = "name the right one in PODUP_MANUAL_AUTO_UPDATE_UNIT"
            return Plan((), Decision.REFUSE, "unit-not-found", f"{p.unit} is not known to systemd", hint)
        outlook = seen.get(AutoUpdateOutlook())
        if isinstance(outlook, Unknown):
            return Plan((), Decision.FAIL, outlook.code, outlook.reason, outlook.hint)
        would = [row.unit for row in outlook or () if row.updated == "pending"]
        says = f"start {p.unit}" + (f", which would update {', '.join(would)}" if would else "")
        return Plan((Step(says, StartUnit(p.unit, wait=False)),))

    def watch(self, p: AutoUpdateParams, before: Facts) -> tuple[Query, ...]:
        return (UnitStateOf(p.unit),)

    def timing(self, p: AutoUpdateParams) -> Timing:
        return Timing(p.deadline_s, 0.0, 1.0)

    def judge(self, p: AutoUpdateParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        state = after[UnitStateOf(p.unit)]
        if isinstance(state, Unknown):
            return Verdict(Health.UNKNOWN, (state.reason,))
        if state.active in ("activating", "active", "reloading", "deactivating") and state.kind == "oneshot":
            return Verdict(Health.PENDING, (f"{p.unit} is at work",))
        if state.active == "failed" or state.result != "success":
            return Verdict(Health.BAD, (f"{p.unit} ended with {state.result}, exit {state.exec_status}",))
        return Verdict(Health.OK)

    def revert(self, p: AutoUpdateParams, before: Facts, after: Facts) -> Plan:
        return Plan(
            (), Decision.DO, "podmans-own", "what podman auto-update did is podman's own to take back"
        )

    def diagnose(self, p: AutoUpdateParams) -> tuple[Query, ...]:
        return (Diagnostics(p.unit, p.journal_lines),)

    def finish(self, p: AutoUpdateParams, before: Facts, after: Facts) -> Plan:
        return Plan()

    def remember(
        self, p: AutoUpdateParams, before: Facts, after: Facts, outcome: str
    ) -> tuple[Remember, ...]:
        return ()


AUTO_UPDATE = AutoUpdateRecipe()

register(AutoUpdateParams)
