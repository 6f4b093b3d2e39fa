"""Deploying a service: the unit runs another image, proven well, or runs the one from before.

Two kinds share it: `deploy` goes to what the registry has under the unit's tag, `rollback` to a digest
that ran here before. The running image is kept under a tag of ours, the new one is pulled by digest and
given the unit's own name, and the unit is restarted. A service that was broken before is not taken back:
there would be nothing to go back to. One that was stopped is started; taken back, it is stopped again. A job
(Type=oneshot, or started by a timer) that is not active is not run for a new image: its next start finds it.
"""

from podup.recipes.actions import (
    PullImage,
    ResetFailed,
    RestartUnit,
    RunHook,
    StartUnit,
    StopUnit,
    TagImage,
    UntagImage,
)
from podup.recipes.facts import (
    ContainerOf,
    Dependants,
    Diagnostics,
    DiskRoom,
    ImageAt,
    ImagesOf,
    LocalImage,
    RemoteImageOf,
    UnitConfig,
    UnitConfigOf,
    UnitState,
    UnitStateOf,
)
from podup.recipes.kept_images import kept_repository, prune_images
from podup.recipes.policy import Policy, PolicyOf, forbid, short, told_sharers
from podup.recipes.refusals import refuse_disk, refuse_unit
from podup.recipes.service_goal import (
    ServiceParams,
    Target,
    digest_before,
    id_at,
    image_before,
    is_at_target,
    is_job_at_rest,
    is_untouched,
    references,
    target_of,
    was_stopped,
)
from podup.recipes.unit_health import (
    Wanted,
    fallen,
    is_broken,
    judge_stopped,
    judge_unit,
    queries,
    refuse_probe,
    worst,
)
from podup.recipes.verbs import (
    Aim,
    Facts,
    Health,
    Plan,
    Query,
    Remember,
    Step,
    Timing,
    Verdict,
    leave,
    skip,
)


class ServiceRecipe:
    """The recipe of the kinds `deploy` and `rollback`."""

    params = ServiceParams

    def __init__(self, kind: str, title: str) -> None:
        self.kind = kind
        self.title = title

    def lock(self, p: ServiceParams) -> tuple[str, ...]:
        return (f"unit:{p.unit}",)

    def needs(self, p: ServiceParams, seen: Facts) -> tuple[Query, ...]:
        wanted: tuple[Query, ...] = (
            PolicyOf(p.unit),
            UnitStateOf(p.unit),
            UnitConfigOf(p.unit),
            ContainerOf(p.unit),
            Dependants(p.unit),
            DiskRoom(),
        )
        config = seen.get(UnitConfigOf(p.unit))
        if not isinstance(config, UnitConfig) or not config.image or config.pinned:
            return wanted
        refs = references(p, config)
        if isinstance(refs, Plan):
            return wanted
        own, target = refs
        wanted += (ImageAt(str(own)), ImagesOf((own.name, kept_repository(p.unit))))
        if not p.to:
            wanted += (RemoteImageOf(str(target)),)
        goal = target_of(p, seen)
        return (*wanted, ImageAt(goal.pull_ref)) if isinstance(goal, Target) else wanted

    def plan(self, p: ServiceParams, seen: Facts) -> Plan:
        config, state = seen[UnitConfigOf(p.unit)], seen[UnitStateOf(p.unit)]
        container = seen.get(ContainerOf(p.unit))
        refusal = refuse_unit(p.unit, config, state, container) or refuse_probe(_wanted(p, seen, "").probe)
        if refusal is not None:
            return refusal
        target = target_of(p, seen)
        if isinstance(target, Plan):
            return target
        policy: Policy = seen[PolicyOf(p.unit)]
        if not p.force and is_at_target(p, seen, target):
            return skip("up-to-date", f"{p.unit} already runs {short(target.digest)}")
        return (
            forbid(policy, image=target.own_ref.name, digests=target.digests, force=p.force or bool(p.to))
            or refuse_disk(seen.get(DiskRoom()), seen.get(ImageAt(target.pull_ref)), target.size_bytes)
            or Plan(_steps(p, seen, target))
        )

    def watch(self, p: ServiceParams, before: Facts) -> tuple[Query, ...]:
        target = target_of(p, before)
        if not isinstance(target, Target):
            return queries(_wanted(p, before, ""))
        refs = (str(target.own_ref), target.pull_ref, image_before(p, before))
        return (*queries(_wanted(p, before, "")), *(ImageAt(ref) for ref in refs if ref))

    def timing(self, p: ServiceParams) -> Timing:
        return p.timing

    def judge(self, p: ServiceParams, before: Facts, after: Facts, aim: Aim) -> Verdict:
        target = target_of(p, before)
        if aim is Aim.OLD:
            image_id = image_before(p, before)
        else:
            image_id = id_at(after, target.pull_ref) if isinstance(target, Target) else ""
        if is_job_at_rest(p, before):
            return _judge_name(target, image_id, after)
        if aim is Aim.OLD and was_stopped(p, before):
            return worst([judge_stopped(p.unit, after), _judge_name(target, image_id, after)])
        return judge_unit(_wanted(p, before, image_id), before, after)

    def revert(self, p: ServiceParams, before: Facts, after: Facts) -> Plan:
        target, old_id = target_of(p, before), image_before(p, before)
        if not isinstance(target, Target):
            return Plan()
        own = str(target.own_ref)
        broken = is_broken(_wanted(p, before, ""), before)
        if broken and not p.force and not is_untouched(p, before, after):
            return leave("was-broken", f"{broken} before; left on the new image")
        stopped = was_stopped(p, before)
        if not old_id and not stopped:
            return leave("no-image-before", f"{p.unit} ran no image before")
        steps, shared = list[Step](), ""
        if old_id and id_at(after, own) != old_id:
            lost_digest = digest_before(p, before)
            if lost_digest and after.get(ImageAt(old_id), old_id) is None:  # pruned while nothing ran it
                lost = str(target.own_ref.with_digest(lost_digest))
                fetch = PullImage(lost, p.pull_timeout_s)
                steps.append(Step("fetch the image that ran before, which is gone", fetch))
            steps.append(Step(f"give {own} back to the image that ran before", TagImage(old_id, own)))
            shared = told_sharers(before.get(PolicyOf(p.unit)), (digest_before(p, before),))
        if not old_id and id_at(after, own):
            steps.append(Step(f"take away the name {own}, which stood for nothing", UntagImage(own)))
        if is_job_at_rest(p, before) or is_untouched(p, before, after):
            return Plan(tuple(steps), reason=shared)
        forget = Step(f"forget failed starts of {p.unit}", ResetFailed(p.unit))
        if stopped:
            steps += [Step(f"stop {p.unit}, as it was", StopUnit(p.unit)), forget]
            return Plan(tuple(steps), reason=shared)
        patience_s = max(RestartUnit(p.unit).timeout_s, p.timing.deadline_s)
        again = RestartUnit(p.unit, patience_s)
        steps += [forget, Step(f"restart {p.unit} on the image that ran before", again)]
        steps += [Step(f"start {u}, which needs it", StartUnit(u)) for u in fallen(p.unit, before, after)]
        return Plan(tuple(steps), reason=shared)

    def diagnose(self, p: ServiceParams) -> tuple[Query, ...]:
        return (Diagnostics(p.unit, p.journal_lines),)

    def finish(self, p: ServiceParams, before: Facts, after: Facts) -> Plan:
        steps: list[Step] = []
        if p.after_hook:
            steps.append(Step(f"run the hook after {p.unit}", RunHook(p.after_hook, _hook_facts(p, before))))
        return Plan((*steps, *_prune(p, before, after)))

    def remember(self, p: ServiceParams, before: Facts, after: Facts, outcome: str) -> tuple[Remember, ...]:
        target = target_of(p, before)
        if not isinstance(target, Target):
            return ()
        was, name = digest_before(p, before), target.own_ref.name
        facts = {"unit": p.unit, "image": name, "from_digest": was, "to_digest": target.digest}
        known = [Remember("first-seen", {"image": name, "digest": target.digest})]
        known.append(Remember("unit", facts))
        if outcome in ("succeeded", "rolled_back", "rollback-failed", "failed", "interrupted"):
            known.append(Remember("deployed", {**facts, "outcome": outcome}))
        was_started = was_stopped(p, before) or not is_untouched(p, before, after)
        if outcome in ("rolled_back", "rollback-failed") and was_started and not p.to:
            held = {"image": name, "digest": target.digest, "index_digest": target.index_digest}
            known.append(Remember("quarantine", {**held, "unit": p.unit}))
        if outcome == "succeeded" and p.to and was and was != target.digest:
            why = "an operator went back from it"
            known.append(
                Remember("quarantine", {"image": name, "digest": was, "unit": p.unit, "reason": why})
            )
        if outcome == "rollback-failed":
            known.append(Remember("needs-operator", {"unit": p.unit}))
        elif outcome == "succeeded":
            known.append(Remember("well", {"unit": p.unit}))
        return tuple(known)


def _steps(p: ServiceParams, seen: Facts, target: Target) -> tuple[Step, ...]:
    own, old_id = str(target.own_ref), image_before(p, seen)
    state: UnitState = seen[UnitStateOf(p.unit)]
    steps: list[Step] = []
    if p.before_hook:
        steps.append(Step(f"run the hook before {p.unit}", RunHook(p.before_hook, _hook_facts(p, seen))))
    if old_id:
        kept = f"{kept_repository(p.unit)}:{old_id.removeprefix('sha256:')[:12]}"
        steps.append(Step(f"keep the running image as {kept}", TagImage(old_id, kept)))
    if not isinstance(seen.get(ImageAt(target.pull_ref)), LocalImage):
        pull = PullImage(target.pull_ref, p.pull_timeout_s)
        steps.append(Step(f"pull {target.wanted_ref} at {short(target.digest)}", pull))
    shared = told_sharers(seen[PolicyOf(p.unit)], target.digests)
    steps.append(Step("; ".join(filter(None, (f"name it {own}", shared))), TagImage(target.pull_ref, own)))
    if is_job_at_rest(p, seen):
        return tuple(steps)
    if state.active == "failed":
        steps.append(Step(f"forget failed starts of {p.unit}", ResetFailed(p.unit)))
    steps.append(Step(f"restart {p.unit}", RestartUnit(p.unit, p.timing.deadline_s)))
    return tuple(steps)


def _hook_facts(p: ServiceParams, seen: Facts) -> tuple[tuple[str, str], ...]:
    target = target_of(p, seen)
    digest = target.digest if isinstance(target, Target) else ""
    image = str(target.wanted_ref) if isinstance(target, Target) else ""
    return (("PODUP_UNIT", p.unit), ("PODUP_IMAGE", image), ("PODUP_DIGEST", digest))


def _wanted(p: ServiceParams, seen: Facts, image_id: str) -> Wanted:
    config = seen.get(UnitConfigOf(p.unit))
    probe = p.probe or (config.probe if isinstance(config, UnitConfig) else "")
    return Wanted(p.unit, image_id, probe)


def _judge_name(target: Target | Plan, image_id: str, after: Facts) -> Verdict:
    """Judge whether the unit's own name stands for the image its next start is to run."""
    own = str(target.own_ref) if isinstance(target, Target) else ""
    if id_at(after, own) == image_id:
        return Verdict(Health.OK)
    return Verdict(Health.BAD, (f"{own} stands for another image",))


def _prune(p: ServiceParams, before: Facts, after: Facts) -> list[Step]:
    """Let go of this service's old images but the `keep_images` that ran last."""
    target, kept = target_of(p, before), kept_repository(p.unit)
    if not isinstance(target, Target):
        return []
    images, policy = before.get(ImagesOf((target.own_ref.name, kept))), before.get(PolicyOf(p.unit))
    if not isinstance(images, tuple):
        return []
    running = (image_before(p, before), id_at(after, target.pull_ref))
    previous = policy.previous if isinstance(policy, Policy) else ()
    return prune_images(images, kept, running=running, previous=previous, keep=p.keep_images)


DEPLOY = ServiceRecipe("deploy", "Deploy a service")
ROLLBACK = ServiceRecipe("rollback", "Take a service back to an earlier image")
