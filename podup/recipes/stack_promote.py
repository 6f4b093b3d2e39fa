"""Recording by hand that what a stack runs now is verified: for a staging that was proven another way."""

from podup.core.stack_map import Stack
from podup.recipes.codec import register
from podup.recipes.stack_actions import PutProofBack, WriteProof
from podup.recipes.stack_facts import ProofOf, Proven, SmokeOf, StackContainersOf
from podup.recipes.stack_goal import StackParams, current_version, digests, goal, has_ended, history_line
from podup.recipes.stack_health import judge_stack
from podup.recipes.stack_preflight import queries
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
    refuse,
)
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class StackPromoteParams:
    """The stack whose running version is to count as verified, and why."""

    stack: Stack
    reason: str = ""


class StackPromote:
    """The recipe of the kind `stack_promote`."""

    kind = "stack_promote"
    title = "Record a running version as verified"
    params = StackPromoteParams

    def lock(self, p: StackPromoteParams) -> tuple[str, ...]:
        return (f"stack:{p.stack.name}", f"family:{p.stack.family}")

    def needs(self, p: StackPromoteParams, seen: Facts) -> tuple[Query, ...]:
        smoke = (SmokeOf(p.stack.name),) if p.stack.smoke else ()
        return (*queries(_change(p, seen), seen, asks_registry=False), ProofOf(p.stack.family), *smoke)

    def plan(self, p: StackPromoteParams, seen: Facts) -> Plan:
        change, name = _change(p, seen), p.stack.name
        if not change.version:
            why = f".env of {name} names no version"
            return refuse("no-version", why, f"set {p.stack.tag_variable} in it")
        if not p.stack.proves:
            hint = "set proves = true for it in the configuration"
            return refuse("does-not-prove", f"{name} is no proof for others", hint)
        verdict = judge_stack(p.stack, goal(change, seen), seen, seen, with_smoke=bool(p.stack.smoke))
        if verdict.health is not Health.OK:
            why = "; ".join(verdict.reasons) or "the stack is not well"
            return refuse("not-well", why, "what is not well cannot be verified")
        action = WriteProof(name, change.version, digests(change, seen, seen))
        return Plan((Step(f"record {change.version} as verified for {p.stack.family}", action),))

    def watch(self, p: StackPromoteParams, before: Facts) -> tuple[Query, ...]:
        return (ProofOf(p.stack.family), StackContainersOf(p.stack.name))

    def timing(self, p: StackPromoteParams) -> Timing:
        return Timing(deadline_s=5.0, settle_s=0.0)

    def judge(self, p: StackPromoteParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        was, now = before.get(ProofOf(p.stack.family)), after.get(ProofOf(p.stack.family))
        if isinstance(now, Unknown) or not isinstance(now, Proven):
            return Verdict(Health.BAD, ("the proof could not be read back",))
        if aim is Aim.OLD:
            wanted = was.proof if isinstance(was, Proven) else None
            return Verdict(Health.OK if now.proof == wanted else Health.BAD)
        version = _change(p, before).version
        if now.proof is None or now.proof.version != version:
            return Verdict(Health.BAD, ("the proof names another version",))
        return Verdict(Health.OK, (f"{version} is verified for {p.stack.family}",))

    def revert(self, p: StackPromoteParams, before: Facts, after: Facts) -> Plan:
        was = before.get(ProofOf(p.stack.family))
        proof = was.proof if isinstance(was, Proven) else None
        return Plan((Step("put the proof from before back", PutProofBack(p.stack.name, proof)),))

    def diagnose(self, p: StackPromoteParams) -> tuple[Query, ...]:
        return ()

    def finish(self, p: StackPromoteParams, before: Facts, after: Facts) -> Plan:
        return Plan()

    def remember(
        self, p: StackPromoteParams, before: Facts, after: Facts, outcome: str
    ) -> tuple[Remember, ...]:
        if not has_ended(outcome):
            return ()
        return (history_line(p.stack, "promote", _change(p, before).version, outcome, notes=p.reason),)


def _change(p: StackPromoteParams, seen: Facts) -> StackParams:
    """Return the change that leads to where the stack is."""
    return StackParams(p.stack, current_version(StackParams(p.stack), seen))


STACK_PROMOTE = StackPromote()

register(StackPromoteParams)
