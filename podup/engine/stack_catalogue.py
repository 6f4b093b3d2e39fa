"""The stacks of the configuration: how each stands, what its checks say, what tasks on one are made of.

Looking changes nothing, so it needs no task. `new_machine` gives a machine for one look: the compose engine
may be another one tomorrow.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from podup.core.preflight import Check
from podup.core.stack_map import Stack, check_version, find_stack
from podup.engine.intake import Intent
from podup.errors import Invalid, NotFound, PodupError
from podup.late import late
from podup.recipes.stack_backup import StackBackupParams
from podup.recipes.stack_check import StackCheckParams
from podup.recipes.stack_facts import Backup, SmokeReport, StackHistory
from podup.recipes.stack_goal import StackParams
from podup.recipes.stack_preflight import checks_of, queries
from podup.recipes.stack_promote import StackPromoteParams
from podup.recipes.stack_restore import StackRestoreParams
from podup.recipes.stack_sync import StackSyncParams
from podup.records import dataclass, replace

if TYPE_CHECKING:
    from podup.engine import stack_backups, stack_effects
    from podup.engine.stack_machine import StackMachine
else:
    stack_backups = late("podup.engine.stack_backups")
    stack_effects = late("podup.engine.stack_effects")


@dataclass(frozen=True, slots=True)
class ChangeWish:
    """What somebody wants of a deployment or a rollback; `env` has to be the stack's when it is given."""

    version: str = ""
    env: str = ""
    force: bool = False
    skip_smoke: bool = False
    reason: str = ""
    dumps: bool = True
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RestoreWish:
    """Which backup somebody wants back, named by its directory or the last part of it, and how."""

    backup: str
    databases: bool = True
    dumps: bool = True
    reason: str = ""
    dry_run: bool = False


class StackCatalogue:
    """Knows the stacks."""

    def __init__(self, stacks: tuple[Stack, ...], new_machine: "Callable[[], StackMachine]") -> None:
        self._stacks = stacks
        self._new_machine = new_machine

    @property
    def stacks(self) -> tuple[Stack, ...]:
        return self._stacks

    def find(self, name: str, env: str = "") -> Stack:
        """Return the stack. Raises Invalid, NotFound, or Invalid `env-mismatch` for another environment."""
        stack = find_stack(self._stacks, name)
        if env and env != stack.env:
            hint = f"say {stack.env}, or name the stack you mean"
            raise Invalid("env-mismatch", f"{name} belongs to {stack.env}, not to {env}", hint)
        return stack

    def overview(self, stack: Stack) -> dict[str, Any]:
        """Return a row of the stack map: what is configured, and what the files say now."""
        machine = self._new_machine()
        history, backups = machine.history(stack.name), self.backups(stack)
        return {
            "name": stack.name,
            "env": stack.env,
            "family": stack.family,
            "run_dir": stack.run_dir,
            "source_dir": stack.source_dir or None,
            "version": machine.env_file(stack).version or None,
            "last": _line(history),
            "good_versions": list(history.good),
            "broken_history_lines": history.broken,
            "backups": len(backups),
            "last_backup": backups[0].path if backups else None,
            "needs_proof": stack.needs_proof,
            "proof": self._proof(machine, stack),
        }

    def detail(self, stack: Stack) -> dict[str, Any]:
        """Return the row with its containers and backups; what cannot be seen says why."""
        machine = self._new_machine()
        try:
            engine = machine.compose.engine
            containers: Any = [
                {
                    "service": item.service,
                    "name": item.state.name,
                    "image": item.state.image_ref,
                    "status": item.state.status,
                    "health": item.state.health or None,
                    "restarts": item.state.restarts,
                    "started_at": item.state.started_at,
                }
                for item in machine.containers(stack).items
            ]
            says = {"engine": f"{engine.name} {engine.version}", "containers": containers, "problem": None}
        except PodupError as error:
            says = {"engine": None, "containers": [], "problem": error.message}
        backups = [backup_row(backup) for backup in self.backups(stack)]
        return {**self.overview(stack), **says, "backup_list": backups}

    def backups(self, stack: Stack) -> tuple[Backup, ...]:
        """Return the complete backups of a stack, newest first."""
        return stack_backups.backups_of(self._new_machine().backups_dir(stack))

    def history(self, stack: Stack) -> StackHistory:
        """Return what the log says of a stack."""
        return self._new_machine().history(stack.name)

    def preflight(self, stack: Stack, *, version: str = "", force: bool = False) -> tuple[Check, ...]:
        """Return the table of checks for deploying `version`, else for what `.env` names now."""
        machine = self._new_machine()
        wanted = check_version(version) if version else machine.env_file(stack).version
        params = StackParams(stack if version else replace(stack, needs_proof=False), wanted, force=force)
        seen = stack_effects.stack_world(machine).observe_needs(partial(queries, params))
        return checks_of(params, seen)

    def smoke(self, stack: Stack) -> SmokeReport:
        """Make the smoke checks now."""
        return stack_effects.smoke(self._new_machine(), stack)

    def deploy(self, stack: Stack, wish: ChangeWish) -> Intent:
        """Return the intent to deploy a version. Raises Invalid without one, or without a needed reason."""
        return self._change(stack, "stack_deploy", replace(wish, version=check_version(wish.version)))

    def rollback(self, stack: Stack, wish: ChangeWish) -> Intent:
        """Return the intent to go back to a version, else to the newest that ran well."""
        if wish.version:
            check_version(wish.version)
        return self._change(stack, "stack_rollback", wish)

    def backup(self, stack: Stack, *, dry_run: bool = False) -> Intent:
        """Return the intent to back a stack up."""
        return self._intent(stack, "stack_backup", StackBackupParams(stack), dry_run=dry_run)

    def look(self, told: Mapping[str, str]) -> Intent:
        """Return the intent to look at a stack once more; `told` is what its change remembers for that."""
        stack = self.find(told["stack"])
        known = {name: text for name, text in told.items() if name != "stack"}
        return self._intent(stack, "stack_check", StackCheckParams(stack, **known), dry_run=False)

    def give_back(self, told: Mapping[str, str]) -> Intent:
        """Return the intent to go back to where a stack was; its deployment has made the dumps."""
        stack, reason = self.find(told["stack"]), "not well after it was called good"
        params = StackParams(
            stack, told["version"], reason=reason, dumps=False, instead_of=told.get("instead_of", "")
        )
        return self._intent(stack, "stack_rollback", params, dry_run=False)

    def withdraw(self, told: Mapping[str, str]) -> None:
        """Take a stack's proof of a version away; that of another stack or version stays."""
        stack, machine = self.find(told["stack"]), self._new_machine()
        try:
            proof = machine.proof(stack.family)
        except Invalid:
            return  # an edited one verifies nothing, and is left for whoever looks into it
        if proof is not None and (proof.stack, proof.version) == (stack.name, told["version"]):
            machine.write_proof(stack, None)

    def promote(self, stack: Stack, *, reason: str, dry_run: bool = False) -> Intent:
        """Return the intent to record what runs as verified."""
        return self._intent(stack, "stack_promote", StackPromoteParams(stack, reason), dry_run=dry_run)

    def sync(self, stack: Stack, *, dry_run: bool = False) -> Intent:
        """Return the intent to copy the source directory to the run directory."""
        return self._intent(stack, "stack_sync", StackSyncParams(stack), dry_run=dry_run)

    def restore(self, stack: Stack, wish: RestoreWish) -> Intent:
        """Return the intent to put a backup back, named by its directory or the last part of it."""
        known = {found.path.rpartition("/")[2]: found.path for found in self.backups(stack)}
        path = known.get(wish.backup.rstrip("/").rpartition("/")[2], "")
        if not path:
            names = ", ".join(known) or "none"
            raise NotFound(
                "backup-not-found", f"{stack.name} has no backup {wish.backup!r}", f"there are: {names}"
            )
        params = StackRestoreParams(stack, path, wish.databases, wish.reason, wish.dumps)
        return self._intent(stack, "stack_restore", params, dry_run=wish.dry_run)

    def _change(self, stack: Stack, kind: str, wish: ChangeWish) -> Intent:
        if wish.skip_smoke and not wish.reason:
            raise Invalid("reason-missing", "skipping the smoke checks needs a reason", "say --reason TEXT")
        params = StackParams(
            stack,
            wish.version,
            force=wish.force,
            skip_smoke=wish.skip_smoke,
            reason=wish.reason,
            dumps=wish.dumps,
        )
        return self._intent(stack, kind, params, dry_run=wish.dry_run)

    def _intent(self, stack: Stack, kind: str, params: Any, *, dry_run: bool) -> Intent:
        version = getattr(params, "version", "")
        meta = {"stack": stack.name, "env": stack.env, **({"version": version} if version else {})}
        return Intent(kind, params, f"stack:{stack.name}", dry_run=dry_run, meta=meta)

    def _proof(self, machine: "StackMachine", stack: Stack) -> dict[str, Any] | None:
        try:
            proof = machine.proof(stack.family)
        except PodupError as error:
            return {"problem": error.message}
        if proof is None:
            return None
        return {"version": proof.version, "at": proof.at, "stack": proof.stack, "task": proof.task}


def backup_row(backup: Backup) -> dict[str, Any]:
    """Return a backup as lists show it."""
    name = backup.path.rpartition("/")[2]
    return {
        "name": name,
        "path": backup.path,
        "at": backup.at,
        "version": backup.version or None,
        "databases": list(backup.databases),
    }


def _line(history: StackHistory) -> dict[str, Any] | None:
    if not history.records:
        return None
    last = history.records[-1]
    return {"at": last.at, "action": last.action, "version": last.version, "status": last.status}
