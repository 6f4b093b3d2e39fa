"""Copying a stack's source directory to its run directory; what the dry run shows is what would be copied.

Each file is replaced whole. Nothing is deleted, and `.env`, data and unknown files are never touched, so
there is nothing to take back: a sync that stopped half-way is completed by the next one.
"""

from podup.core.stack_map import Stack
from podup.core.sync import SyncPlan
from podup.recipes.codec import register
from podup.recipes.verbs import (
    Action,
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
    leave,
    refuse,
    skip,
)
from podup.records import dataclass

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class SyncPlanOf(Query):
    """What a sync of the stack would do now. Yields `core.sync.SyncPlan`."""

    stack: str


@dataclass(frozen=True, slots=True)
class CopyIn(Action):
    """Copy one file of the source directory to the same place in the run directory."""

    stack: str
    path: str


@dataclass(frozen=True, slots=True)
class StackSyncParams:
    """The stack to sync."""

    stack: Stack


class StackSync:
    """The recipe of the kind `stack_sync`."""

    kind = "stack_sync"
    title = "Copy a stack's source to its run directory"
    params = StackSyncParams

    def lock(self, p: StackSyncParams) -> tuple[str, ...]:
        return (f"stack:{p.stack.name}",)

    def needs(self, p: StackSyncParams, seen: Facts) -> tuple[Query, ...]:
        return (SyncPlanOf(p.stack.name),)

    def plan(self, p: StackSyncParams, seen: Facts) -> Plan:
        found = seen[SyncPlanOf(p.stack.name)]
        if isinstance(found, Unknown):
            return refuse(found.code, found.reason, found.hint)
        if not found.copies:
            why = f"{p.stack.run_dir} has all of {p.stack.source_dir}"
            return skip("up-to-date", "; ".join(filter(None, (why, _left_alone(found)))))
        steps = [Step(f"copy {path} (new)", CopyIn(p.stack.name, path)) for path in found.create]
        steps += [Step(f"copy {path} (changed)", CopyIn(p.stack.name, path)) for path in found.update]
        return Plan(tuple(steps), reason=_left_alone(found))

    def watch(self, p: StackSyncParams, before: Facts) -> tuple[Query, ...]:
        return (SyncPlanOf(p.stack.name),)

    def timing(self, p: StackSyncParams) -> Timing:
        return Timing(deadline_s=0.0, settle_s=0.0)

    def judge(self, p: StackSyncParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        found = after.get(SyncPlanOf(p.stack.name))
        if isinstance(found, SyncPlan) and not found.copies:
            return Verdict(Health.OK, ("the directories are in step",))
        return Verdict(Health.BAD, ("the directories still differ",))

    def revert(self, p: StackSyncParams, before: Facts, after: Facts) -> Plan:
        return leave("sync-incomplete", "every file is whole; sync again to complete it")

    def diagnose(self, p: StackSyncParams) -> tuple[Query, ...]:
        return ()

    def finish(self, p: StackSyncParams, before: Facts, after: Facts) -> Plan:
        return Plan()

    def remember(self, p: StackSyncParams, before: Facts, after: Facts, outcome: str) -> tuple[Remember, ...]:
        return ()


def _left_alone(found: SyncPlan) -> str:
    """Say what of the source is not copied, so that nobody takes it for synced."""
    shown = ", ".join(found.left_alone[:_MOST_SHOWN])
    more = len(found.left_alone) - _MOST_SHOWN
    return f"left alone: {shown}{f' and {more} more' if more > 0 else ''}" if shown else ""


STACK_SYNC = StackSync()

register(SyncPlan, SyncPlanOf, CopyIn, StackSyncParams)
