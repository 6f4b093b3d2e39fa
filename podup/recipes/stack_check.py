"""Looking at a stack once more, after the task that changed it has ended and taken its processes along.

What started containers may take them with it when it ends, and an image may sicken after everyone has called
it healthy. This task begins when the other one is over, watches for `settle_s` again and changes nothing.
What it finds not well after a deployment is no longer good or verified, and a rollback to the version from
before follows; what a rollback led to stays, and somebody has to look: a rollback is never rolled back.
"""

from podup.core.stack_map import Stack
from podup.recipes.codec import register
from podup.recipes.stack_actions import ConfirmWell
from podup.recipes.stack_facts import CompositionOf, EnvFileOf, StackContainersOf, StackLogs
from podup.recipes.stack_goal import StackParams, current_version, goal, history_line, image_queries
from podup.recipes.stack_health import judge_stack
from podup.recipes.verbs import Aim, Facts, Plan, Query, Remember, Step, Timing, Verdict, leave, skip
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class StackCheckParams:
    """The stack to look at: `action` led it to `version`; `back_to` is where to go when it is not well."""

    stack: Stack
    version: str = ""
    action: str = "deploy"
    back_to: str = ""


class StackCheck:
    """The recipe of the kind `stack_check`."""

    kind = "stack_check"
    title = "Look at a stack once more"
    params = StackCheckParams

    def lock(self, p: StackCheckParams) -> tuple[str, ...]:
        return (f"stack:{p.stack.name}",)

    def needs(self, p: StackCheckParams, seen: Facts) -> tuple[Query, ...]:
        name, change = p.stack.name, _change(p, seen)
        wanted: tuple[Query, ...] = (EnvFileOf(name), StackContainersOf(name))
        if change.version:
            wanted += (CompositionOf(name, change.version), *image_queries(change, seen))
        return wanted

    def plan(self, p: StackCheckParams, seen: Facts) -> Plan:
        current = _change(p, seen).version
        if p.version and current != p.version:
            why = f"{p.stack.name} is at {current or 'no version'} by now"
            return skip("superseded", why)
        return Plan((Step(f"look at {p.stack.name} once more", ConfirmWell(p.stack.name)),))

    def watch(self, p: StackCheckParams, before: Facts) -> tuple[Query, ...]:
        return (StackContainersOf(p.stack.name), *image_queries(_change(p, before), before))

    def timing(self, p: StackCheckParams) -> Timing:
        return Timing(p.stack.deadline_s + p.stack.settle_s, settle_s=p.stack.settle_s, every_s=1.0)

    def judge(self, p: StackCheckParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        return judge_stack(p.stack, goal(_change(p, before), before), before, after, with_smoke=False)

    def revert(self, p: StackCheckParams, before: Facts, after: Facts) -> Plan:
        follows = f"a rollback to {p.back_to} follows" if p.back_to else "there is no version to go back to"
        return leave("not-well", follows)

    def diagnose(self, p: StackCheckParams) -> tuple[Query, ...]:
        return (StackLogs(p.stack.name),)

    def finish(self, p: StackCheckParams, before: Facts, after: Facts) -> Plan:
        return Plan()

    def remember(
        self, p: StackCheckParams, before: Facts, after: Facts, outcome: str
    ) -> tuple[Remember, ...]:
        if outcome != "failed":
            return ()
        name = p.stack.name
        known = [Remember("needs-operator", {"unit": f"stack:{name}"})]
        if p.version:
            notes = "not well after it was called good"
            known.append(history_line(p.stack, p.action, p.version, outcome, notes=notes))
            known.append(Remember("stack-unproven", {"stack": name, "version": p.version}))
        if p.back_to:
            values = {"stack": name, "version": p.back_to, "instead_of": p.version}
            known.append(Remember("stack-return", values))
        return tuple(known)


def _change(p: StackCheckParams, seen: Facts) -> StackParams:
    return StackParams(p.stack, current_version(StackParams(p.stack), seen))


STACK_CHECK = StackCheck()

register(StackCheckParams)
