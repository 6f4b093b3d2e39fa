"""Putting a backup of a stack back: its files and its databases, after backing up what is there now.

The one task that changes data. What is there now is backed up first, databases are loaded whole or not at
all, and when the stack is not well afterwards, the new backup is put back the same way.
"""

from podup.core.stack_map import Stack
from podup.recipes.codec import register
from podup.recipes.stack_actions import MakeBackup, RestoreDatabases, RestoreFiles, StackUp
from podup.recipes.stack_deploy import nothing_changed
from podup.recipes.stack_facts import (
    Backup,
    BackupAt,
    BackupSlot,
    CompositionOf,
    EnvFile,
    EnvFileOf,
    Slot,
    SmokeOf,
    StackContainersOf,
    StackLogs,
)
from podup.recipes.stack_goal import StackParams, has_ended, history_line, image_queries
from podup.recipes.stack_health import judge_stack
from podup.recipes.verbs import (
    Aim,
    Facts,
    Plan,
    Query,
    Remember,
    Step,
    Timing,
    Verdict,
    fail_unseen,
    leave,
    refuse,
)
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class StackRestoreParams:
    """Which backup (its directory) to put back; `databases` or only the files.

    `dumps` false leaves the databases out of the backup that is made first: one that is broken cannot be
    dumped. What is loaded is not taken back then.
    """

    stack: Stack
    backup: str
    databases: bool = True
    reason: str = ""
    dumps: bool = True


class StackRestore:
    """The recipe of the kind `stack_restore`."""

    kind = "stack_restore"
    title = "Put a backup of a stack back"
    params = StackRestoreParams

    def lock(self, p: StackRestoreParams) -> tuple[str, ...]:
        return (f"stack:{p.stack.name}",)

    def needs(self, p: StackRestoreParams, seen: Facts) -> tuple[Query, ...]:
        name = p.stack.name
        wanted: tuple[Query, ...] = (
            BackupAt(name, p.backup),
            BackupSlot(name),
            EnvFileOf(name),
            StackContainersOf(name),
        )
        for change in (_change(p, seen), _return(p, seen)):
            if change.version:
                wanted += (CompositionOf(name, change.version), *image_queries(change, seen))
        return wanted

    def plan(self, p: StackRestoreParams, seen: Facts) -> Plan:
        name, backup, slot = (
            p.stack.name,
            seen[BackupAt(p.stack.name, p.backup)],
            seen[BackupSlot(p.stack.name)],
        )
        if not isinstance(backup, Backup):
            why = f"there is no complete backup at {p.backup}"
            return refuse("backup-not-found", why, "`stack backup --list` shows them")
        if not isinstance(slot, Slot):
            return fail_unseen(slot)
        first = MakeBackup(name, slot.path, slot.at, p.dumps, whole=False)
        return Plan((Step(f"back up what is there now to {slot.path}", first), *_put_back(p, p.backup)))

    def watch(self, p: StackRestoreParams, before: Facts) -> tuple[Query, ...]:
        name, slot = p.stack.name, before.get(BackupSlot(p.stack.name))
        images = (*image_queries(_change(p, before), before), *image_queries(_return(p, before), before))
        wanted: tuple[Query, ...] = (CompositionOf(name), *dict.fromkeys(images), StackContainersOf(name))
        if isinstance(slot, Slot):
            wanted += (BackupAt(name, slot.path),)
        return (*wanted, SmokeOf(name)) if p.stack.smoke else wanted

    def timing(self, p: StackRestoreParams) -> Timing:
        return Timing(deadline_s=p.stack.deadline_s + p.stack.settle_s, settle_s=0.0)

    def judge(self, p: StackRestoreParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        wanted = after.get(CompositionOf(p.stack.name))
        return judge_stack(p.stack, wanted, before, after, with_smoke=bool(p.stack.smoke))

    def revert(self, p: StackRestoreParams, before: Facts, after: Facts) -> Plan:
        slot = before[BackupSlot(p.stack.name)]
        if not isinstance(after.get(BackupAt(p.stack.name, slot.path)), Backup):
            return leave("backup-failed", nothing_changed(may_leave_out=p.dumps))
        loaded = "databases stay as they were loaded" if p.databases and not p.dumps else ""
        return Plan(_put_back(p, slot.path), reason=loaded)

    def diagnose(self, p: StackRestoreParams) -> tuple[Query, ...]:
        return (StackLogs(p.stack.name),)

    def finish(self, p: StackRestoreParams, before: Facts, after: Facts) -> Plan:
        return Plan()

    def remember(
        self, p: StackRestoreParams, before: Facts, after: Facts, outcome: str
    ) -> tuple[Remember, ...]:
        if not has_ended(outcome):
            return ()
        notes = ", ".join(filter(None, (p.backup, p.reason)))
        return (history_line(p.stack, "restore", _change(p, before).version, outcome, notes=notes),)


def _put_back(p: StackRestoreParams, backup: str) -> tuple[Step, ...]:
    name = p.stack.name
    steps = [Step(f"put the files of {backup} back", RestoreFiles(name, backup))]
    if p.databases and p.stack.databases:
        steps.append(Step(f"load the databases of {backup}", RestoreDatabases(name, backup)))
    return (*steps, Step(f"let {name} run what its files say", StackUp(name)))


def _change(p: StackRestoreParams, seen: Facts) -> StackParams:
    """Return the change that leads to the version in the backup."""
    backup = seen.get(BackupAt(p.stack.name, p.backup))
    known = backup.version if isinstance(backup, Backup) else ""
    return StackParams(p.stack, known)


def _return(p: StackRestoreParams, seen: Facts) -> StackParams:
    """Return the change that leads to the version from before."""
    env = seen.get(EnvFileOf(p.stack.name))
    return StackParams(p.stack, env.version if isinstance(env, EnvFile) else "")


STACK_RESTORE = StackRestore()

register(StackRestoreParams)
