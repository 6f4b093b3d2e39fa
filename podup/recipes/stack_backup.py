"""Backing a stack up: compose file, `.env` and a verified dump of every database, or nothing at all."""

from podup.core.stack_map import Stack
from podup.recipes.codec import register
from podup.recipes.stack_actions import MakeBackup, PruneBackups
from podup.recipes.stack_facts import Backup, BackupAt, BackupSlot, EnvFile, EnvFileOf, Slot
from podup.recipes.stack_goal import history_line
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
    fail_unseen,
    leave,
)
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class StackBackupParams:
    """The stack to back up."""

    stack: Stack


class StackBackup:
    """The recipe of the kind `stack_backup`."""

    kind = "stack_backup"
    title = "Back a stack up"
    params = StackBackupParams

    def lock(self, p: StackBackupParams) -> tuple[str, ...]:
        return (f"stack:{p.stack.name}",)

    def needs(self, p: StackBackupParams, seen: Facts) -> tuple[Query, ...]:
        return (BackupSlot(p.stack.name), EnvFileOf(p.stack.name))

    def plan(self, p: StackBackupParams, seen: Facts) -> Plan:
        slot = seen[BackupSlot(p.stack.name)]
        if not isinstance(slot, Slot):
            return fail_unseen(slot)
        says = f"back {p.stack.name} up to {slot.path}"
        return Plan((Step(says, MakeBackup(p.stack.name, slot.path, slot.at)),))

    def watch(self, p: StackBackupParams, before: Facts) -> tuple[Query, ...]:
        slot = before[BackupSlot(p.stack.name)]
        return (BackupAt(p.stack.name, slot.path),) if isinstance(slot, Slot) else ()

    def timing(self, p: StackBackupParams) -> Timing:
        return Timing(deadline_s=10.0, settle_s=0.0)

    def judge(self, p: StackBackupParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        found = next(iter(after.values()), None)
        if isinstance(found, Unknown):
            return Verdict(Health.BAD, (found.reason,))
        is_there = isinstance(found, Backup)
        if not is_there:
            return Verdict(Health.BAD, ("there is no complete backup",))
        return Verdict(Health.OK, ("the backup is complete and verified",))

    def revert(self, p: StackBackupParams, before: Facts, after: Facts) -> Plan:
        return leave("backup-failed", "nothing had changed")

    def diagnose(self, p: StackBackupParams) -> tuple[Query, ...]:
        return ()

    def finish(self, p: StackBackupParams, before: Facts, after: Facts) -> Plan:
        keep = p.stack.keep_backups
        return Plan((Step(f"keep the newest {keep} backups", PruneBackups(p.stack.name, keep)),))

    def remember(
        self, p: StackBackupParams, before: Facts, after: Facts, outcome: str
    ) -> tuple[Remember, ...]:
        env = before.get(EnvFileOf(p.stack.name))
        version = env.version if isinstance(env, EnvFile) else ""
        return (history_line(p.stack, "backup", version, outcome),)


STACK_BACKUP = StackBackup()

register(StackBackupParams)
