"""Deploying a stack, and taking it back to a version that ran before: one road for both.

Preflight; backup; keep the running images; pull; write the version into `.env`, which happens only after
everything is there; up; settle; smoke; history. Whatever goes wrong, `.env` is restored byte for byte and
the containers from before run again, from images that are still on this machine. A deployment asks the
registry and wants a proof in production; a rollback uses what is here and asks a registry only for what
is not.
"""

from podup.core.preflight import first_block
from podup.core.stack_map import Stack
from podup.recipes.stack_actions import (
    ConfirmUnchanged,
    KeepStackImage,
    MakeBackup,
    PruneBackups,
    PruneKept,
    PullStackImage,
    RemoveContainers,
    RequireDigest,
    RestoreEnv,
    SetVersion,
    StackUp,
    WriteProof,
)
from podup.recipes.stack_facts import (
    Backup,
    BackupAt,
    BackupSlot,
    EnvFile,
    EnvFileOf,
    HistoryOf,
    Slot,
    SmokeOf,
    StackContainers,
    StackContainersOf,
    StackHistory,
    StackImageOf,
    StackLogs,
)
from podup.recipes.stack_goal import (
    StackParams,
    current_version,
    digests,
    goal,
    goal_version,
    history_line,
    image_id,
    image_queries,
    kept_name,
    proven_digests,
    versioned,
)
from podup.recipes.stack_health import containers_unseen, judge_as_before, judge_stack
from podup.recipes.stack_preflight import checks_of, queries
from podup.recipes.unit_health import worst
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
    refuse,
    skip,
)

_EVERY_S = 0.5
_KEPT_VERSIONS = 3


class StackChange:
    """The recipe of the kinds `stack_deploy` and `stack_rollback`."""

    params = StackParams

    def __init__(self, kind: str, title: str, *, action: str) -> None:
        self.kind = kind
        self.title = title
        self._action = action
        self._is_rollback = action == "rollback"

    def lock(self, p: StackParams) -> tuple[str, ...]:
        return (f"stack:{p.stack.name}",)

    def needs(self, p: StackParams, seen: Facts) -> tuple[Query, ...]:
        wanted = queries(p, seen, asks_registry=not self._is_rollback)
        return (*wanted, BackupSlot(p.stack.name))

    def plan(self, p: StackParams, seen: Facts) -> Plan:
        version, current = goal_version(p, seen), current_version(p, seen)
        if p.instead_of and p.instead_of != current:
            return skip("superseded", f"{p.stack.name} is at {current} by now")
        if not version:
            hint = "name one: `stack rollback STACK --list` shows what ran here"
            why = f"no other version of {p.stack.name} ran well here"
            return refuse("no-good-version", why, hint)
        if not p.stack.tag_variable:
            why = f"{p.stack.name} has no variable that names its version"
            return refuse("no-tag-variable", why, "set tag_variable in the configuration")
        block = first_block(checks_of(p, seen, is_rollback=self._is_rollback))
        if block is not None:
            why = f"preflight: {block.name}: {block.says}"
            return refuse(block.code or "preflight", why, block.hint)
        slot, env = seen[BackupSlot(p.stack.name)], seen[EnvFileOf(p.stack.name)]
        if isinstance(slot, Unknown):
            return fail_unseen(slot)
        if not versioned(p, seen):
            why = f"no service's image follows {p.stack.tag_variable}"
            hint = "write image: NAME:${" + p.stack.tag_variable + "} in the compose file"
            return refuse("version-not-used", why, hint)
        return Plan(self._steps(p, seen, slot, env))

    def _steps(self, p: StackParams, seen: Facts, slot: Slot, env: EnvFile) -> tuple[Step, ...]:
        name, version = p.stack.name, goal_version(p, seen)
        dumps = (p.dumps or not self._is_rollback) and not _is_first(p, seen)
        steps = [Step(f"back up to {slot.path}", MakeBackup(name, slot.path, slot.at, dumps))]
        steps += _keep(p, seen)
        steps += self._fetch(p, seen)
        if env.version != version:
            says = f"write {p.stack.tag_variable}={version} into .env"
            steps.append(Step(says, SetVersion(name, version, env.sha256)))
        steps.append(Step(f"let {name} run {version}", StackUp(name)))
        return tuple(steps)

    def _fetch(self, p: StackParams, seen: Facts) -> list[Step]:
        wanted, follow = goal(p, seen), versioned(p, seen)
        steps: dict[str, Step] = {}
        for service in wanted.services if wanted else ():
            ref = service.image
            is_here = bool(image_id(seen, ref))
            kept = kept_name(p.stack, service.name, goal_version(p, seen))
            if is_here and (self._is_rollback or service.name not in follow):
                continue
            if self._is_rollback and image_id(seen, kept):
                steps.setdefault(ref, Step(f"give {ref} its kept image", KeepStackImage(kept, ref)))
            else:
                steps.setdefault(ref, Step(f"pull {ref}", PullStackImage(ref, p.stack.pull_timeout_s)))
        found = list(steps.values())
        if not p.force and not self._is_rollback:
            for ref, digest in proven_digests(p, seen).items():
                found.append(Step(f"check that {ref} is what was verified", RequireDigest(ref, digest)))
        return found

    def watch(self, p: StackParams, before: Facts) -> tuple[Query, ...]:
        name = p.stack.name
        slot = before.get(BackupSlot(name))
        wanted: tuple[Query, ...] = (EnvFileOf(name), *image_queries(p, before), StackContainersOf(name))
        if isinstance(slot, Slot):
            wanted += (BackupAt(name, slot.path),)
        return wanted if p.skip_smoke or not p.stack.smoke else (*wanted, SmokeOf(name))

    def timing(self, p: StackParams) -> Timing:
        return Timing(deadline_s=p.stack.deadline_s + p.stack.settle_s, settle_s=0.0, every_s=_EVERY_S)

    def judge(self, p: StackParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        if aim is Aim.NEW:
            with_smoke = bool(p.stack.smoke) and not p.skip_smoke
            return judge_stack(p.stack, goal(p, before), before, after, with_smoke=with_smoke)
        was, now = before.get(StackContainersOf(p.stack.name)), after.get(StackContainersOf(p.stack.name))
        if not isinstance(now, StackContainers) or not isinstance(was, StackContainers):
            return containers_unseen(now)
        return worst([judge_as_before(p.stack, was, now), _judge_env(p, before, after)])

    def revert(self, p: StackParams, before: Facts, after: Facts) -> Plan:
        name = p.stack.name
        slot, was, env = before[BackupSlot(name)], before[StackContainersOf(name)], before[EnvFileOf(name)]
        now, env_now = after.get(StackContainersOf(name)), after.get(EnvFileOf(name))
        changed_env = not isinstance(env_now, EnvFile) or env_now.sha256 != env.sha256
        changed_containers = not isinstance(now, StackContainers) or _shape(now) != _shape(was)
        backup = after.get(BackupAt(name, slot.path))
        if not isinstance(backup, Backup) and not changed_env and not changed_containers:
            may_leave_out = self._is_rollback and p.dumps
            return leave("backup-failed", nothing_changed(may_leave_out=may_leave_out))
        steps: list[Step] = []
        if changed_env:
            steps.append(Step("restore .env byte for byte", RestoreEnv(name, slot.path, env.sha256)))
        steps += _tags_back(was, after)
        if changed_containers:
            steps += _containers_back(p.stack, was, now)
        if not steps:
            ids = tuple(sorted(item.state.id for item in was.items))
            says = "confirm that nothing had changed"
            steps.append(Step(says, ConfirmUnchanged(name, env.sha256, ids)))
        return Plan(tuple(steps))

    def diagnose(self, p: StackParams) -> tuple[Query, ...]:
        return (StackLogs(p.stack.name),)

    def finish(self, p: StackParams, before: Facts, after: Facts) -> Plan:
        version, name = goal_version(p, before), p.stack.name
        steps: list[Step] = []
        if p.stack.proves and not p.skip_smoke and not self._is_rollback:
            proof = WriteProof(name, version, digests(p, before, after))
            steps.append(Step(f"record {version} as verified for {p.stack.family}", proof))
        keep = p.stack.keep_backups
        steps.append(Step(f"keep the newest {keep} backups", PruneBackups(name, keep)))
        steps.append(Step("let go of older kept images", PruneKept(name, _spared(p, before))))
        return Plan(tuple(steps))

    def remember(self, p: StackParams, before: Facts, after: Facts, outcome: str) -> tuple[Remember, ...]:
        version, was = goal_version(p, before), current_version(p, before)
        lines: list[tuple[str, str, str]] = []
        if outcome == "succeeded":
            lines = [(self._action, version, "succeeded")]
        elif outcome in ("rolled_back", "rollback-failed", "interrupted", "cancelled"):
            undone = "failed" if outcome == "rollback-failed" else "succeeded"
            lines = [(self._action, version, "failed"), ("rollback", was, undone)]
        elif outcome in ("failed", "unknown"):
            lines = [(self._action, version, "failed")]
        known = [history_line(p.stack, *line, notes=_notes(p)) for line in lines if version]
        if outcome == "rollback-failed":
            known.append(Remember("needs-operator", {"unit": f"stack:{p.stack.name}"}))
        elif outcome == "succeeded":
            known.append(Remember("well", {"unit": f"stack:{p.stack.name}"}))
            known.append(Remember("stack-check", self._look(p, before)))
        return tuple(known)

    def _look(self, p: StackParams, before: Facts) -> dict[str, str]:
        """Return what the look after this task has to know; it takes back a deployment that replaced one."""
        version, was = goal_version(p, before), current_version(p, before)
        replaced = not self._is_rollback and was != version and before[StackContainersOf(p.stack.name)].items
        values = {"stack": p.stack.name, "version": version, "action": self._action}
        return {**values, "back_to": was if replaced else ""}


def nothing_changed(*, may_leave_out: bool) -> str:
    """Say so where a backup failed, and what gets past a database that is down or broken."""
    way = "; --no-dumps leaves the databases out of the backup that is made first"
    return f"nothing had changed{way if may_leave_out else ''}"


def _notes(p: StackParams) -> str:
    """Return what was waived, and why."""
    marks = ("forced" if p.force else "", "smoke skipped" if p.skip_smoke else "", p.reason)
    return ", ".join(mark for mark in marks if mark)


def _is_first(p: StackParams, seen: Facts) -> bool:
    """Return whether the stack never ran here, so that there is no database to dump yet."""
    history, running = seen.get(HistoryOf(p.stack.name)), seen.get(StackContainersOf(p.stack.name))
    never = isinstance(history, StackHistory) and not history.good
    return never and isinstance(running, StackContainers) and not (running.items or running.left_volumes)


def _keep(p: StackParams, seen: Facts) -> list[Step]:
    """Keep what runs now under a tag of ours, for each service whose image follows the version."""
    running = seen.get(StackContainersOf(p.stack.name))
    follow, version = versioned(p, seen), current_version(p, seen)
    steps: dict[str, Step] = {}
    for item in running.items if isinstance(running, StackContainers) else ():
        if item.service in follow and item.state.image_id:
            name = kept_name(p.stack, item.service, version)
            says = f"keep the running image of {item.service} as {name}"
            steps[name] = Step(says, KeepStackImage(item.state.image_id, name))
    return list(steps.values())


def _tags_back(was: StackContainers, after: Facts) -> list[Step]:
    """Give references back to the images that ran, where a pull or a tag has moved them."""
    steps: dict[str, Step] = {}
    for item in was.items:
        ref, image = item.state.image_ref, item.state.image_id
        if ref and "@" not in ref and StackImageOf(ref) in after and image_id(after, ref) != image:
            steps[ref] = Step(f"give {ref} back to the image that ran before", KeepStackImage(image, ref))
    return list(steps.values())


def _containers_back(stack: Stack, was: StackContainers, now: object) -> list[Step]:
    services = {item.service for item in was.items}
    found = now.items if isinstance(now, StackContainers) else ()
    extra = tuple(sorted(item.state.id for item in found if item.service not in services))
    steps: list[Step] = []
    if extra:
        steps.append(
            Step("remove containers that were not there before", RemoveContainers(stack.name, extra))
        )
    if was.items:
        steps.append(Step(f"let {stack.name} run as before", StackUp(stack.name)))
    return steps


def _shape(seen: StackContainers) -> set[tuple[str, str, bool]]:
    return {(item.state.id, item.state.image_id, item.state.running) for item in seen.items}


def _judge_env(p: StackParams, before: Facts, after: Facts) -> Verdict:
    was, now = before.get(EnvFileOf(p.stack.name)), after.get(EnvFileOf(p.stack.name))
    if isinstance(was, EnvFile) and isinstance(now, EnvFile) and was.sha256 == now.sha256:
        return Verdict(Health.OK)
    return Verdict(Health.BAD, (".env is not what it was",))


def _spared(p: StackParams, before: Facts) -> tuple[str, ...]:
    """Return the kept names that stay: of the version from before and of the newest good ones."""
    history = before.get(HistoryOf(p.stack.name))
    good = history.good if isinstance(history, StackHistory) else ()
    versions = dict.fromkeys((current_version(p, before), goal_version(p, before), *good))
    names = [version for version in versions if version][:_KEPT_VERSIONS]
    follow = versioned(p, before)
    return tuple(kept_name(p.stack, service, name) for service in follow for name in names)


STACK_DEPLOY = StackChange("stack_deploy", "Deploy a stack", action="deploy")
STACK_ROLLBACK = StackChange("stack_rollback", "Take a stack back to an earlier version", action="rollback")
