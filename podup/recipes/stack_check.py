"""Looking at a stack once more, after the task that changed it has ended and taken its processes along.

What started containers may take them with it when it ends, after everyone has called them healthy. This
task begins when the other one is over, changes nothing, and says whether the stack is still well.
"""

from podup.core.stack_map import Stack
from podup.recipes.codec import register
from podup.recipes.stack_deploy import judge_stack
from podup.recipes.stack_facts import CompositionOf, ConfirmWell, EnvFileOf, StackContainersOf, StackLogs
from podup.recipes.stack_goal import StackParams, current_version, image_queries
from podup.recipes.verbs import Aim, Decision, Facts, Plan, Query, Remember, Step, Timing, Verdict
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class StackCheckParams:
    """The stack to look at."""

    stack: Stack


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
        return Plan((Step(f"look at {p.stack.name} once more", ConfirmWell(p.stack.name)),))

    def watch(self, p: StackCheckParams, before: Facts) -> tuple[Query, ...]:
        return (StackContainersOf(p.stack.name), *image_queries(_change(p, before), before))

    def timing(self, p: StackCheckParams) -> Timing:
        return Timing(deadline_s=p.stack.deadline_s, settle_s=0.0, every_s=1.0)

    def judge(self, p: StackCheckParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        return judge_stack(_change(p, before), before, after, with_smoke=False)

    def revert(self, p: StackCheckParams, before: Facts, after: Facts) -> Plan:
        return Plan((), Decision.DO, "not-well", f"`stack rollback {p.stack.name}` takes it back")

    def diagnose(self, p: StackCheckParams) -> tuple[Query, ...]:
        return (StackLogs(p.stack.name),)

    def finish(self, p: StackCheckParams, before: Facts, after: Facts) -> Plan:
        return Plan()

    def remember(
        self, p: StackCheckParams, before: Facts, after: Facts, outcome: str
    ) -> tuple[Remember, ...]:
        if outcome == "failed":
            return (Remember("needs-operator", {"unit": f"stack:{p.stack.name}"}),)
        return ()


def _change(p: StackCheckParams, seen: Facts) -> StackParams:
    return StackParams(p.stack, current_version(StackParams(p.stack), seen))


STACK_CHECK = StackCheck()

register(StackCheckParams)
