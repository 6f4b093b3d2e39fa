"""Whether a stack is well: pure judgement over every container, shared by all that touch stacks."""

from collections.abc import Mapping

from podup.core.compose import ComposeService, Composition
from podup.core.stack_map import Stack
from podup.recipes.stack_facts import SmokeOf, SmokeReport, StackContainer, StackContainers, StackContainersOf
from podup.recipes.stack_goal import image_id
from podup.recipes.unit_health import judge_check, worst
from podup.recipes.verbs import Facts, Health, Unknown, Verdict

MAX_RESTARTS = 3


def judge_stack(stack: Stack, wanted: object, before: Facts, after: Facts, *, with_smoke: bool) -> Verdict:
    """Return whether every container of the wanted composition is well, and the smoke checks passed."""
    was, now = before.get(StackContainersOf(stack.name)), after.get(StackContainersOf(stack.name))
    if not isinstance(now, StackContainers) or not isinstance(was, StackContainers):
        return containers_unseen(now)
    if not isinstance(wanted, Composition):
        why = wanted.reason if isinstance(wanted, Unknown) else "what was wanted is not known"
        return Verdict(Health.UNKNOWN, (why,))
    images = {service.image: image_id(after, service.image) for service in wanted.services}
    verdicts = [judge_containers(stack, wanted, images, before=was, seen=now)]
    if with_smoke:
        verdicts.append(_judge_smoke(after.get(SmokeOf(stack.name))))
    return worst(verdicts)


def containers_unseen(now: object) -> Verdict:
    """Return the verdict where the containers could not be observed, `now` being what was seen instead."""
    why = now.reason if isinstance(now, Unknown) else "the containers could not be observed"
    return Verdict(Health.UNKNOWN, (why,))


def judge_containers(
    stack: Stack,
    wanted: Composition,
    images: Mapping[str, str],
    *,
    before: StackContainers,
    seen: StackContainers,
) -> Verdict:
    """Return the worst of what the services' containers say.

    `images` maps an image reference to the local image id the containers have to run (a reference that
    is not in it is not looked at). Well is a container that runs that image, is healthy when it has a
    health check, and has been up for `settle_s`, so a crash loop with long pauses is not taken for well.
    Restarts that a container had `before` are not held against it.
    """
    known = {item.state.id: item.state.restarts for item in before.items}
    verdicts = [_judge_service(stack, service, images, seen, known) for service in wanted.services]
    return worst(verdicts) if verdicts else Verdict(Health.BAD, ("the compose file has no services",))


def judge_as_before(stack: Stack, before: StackContainers, now: StackContainers) -> Verdict:
    """Return whether every service that ran before runs again, on the same image, and none is new."""
    verdicts = []
    known = {item.state.id: item.state.restarts for item in before.items}
    ran = {item.service: item for item in before.items if item.state.running}
    for service, item in ran.items():
        again = [found for found in now.items if found.service == service]
        verdicts.append(_judge_return(stack, item, again, now.at, known))
    services = {item.service for item in before.items}
    for service in sorted({item.service for item in now.items if item.state.running} - services):
        verdicts.append(Verdict(Health.BAD, (f"{service} runs, and was not there before",)))
    return worst(verdicts)


def is_current(service: ComposeService, item: StackContainer, wanted_id: str) -> bool:
    """Return whether the container is what the service is now, so that nothing has to replace it.

    What somebody else started has no definition of ours and is replaced once, unless data would be left
    behind in volumes that only this container knows.
    """
    same = item.definition == service.fingerprint or bool(item.unnamed and not item.definition)
    return same and item.state.image_id == wanted_id


def ends_by_itself(stack: Stack, service: ComposeService) -> bool:
    """Return whether the service is there to do something once: the configuration or the file says so."""
    return service.ends or service.name in stack.one_shot


def _judge_service(
    stack: Stack,
    service: ComposeService,
    images: Mapping[str, str],
    seen: StackContainers,
    known: Mapping[str, int],
) -> Verdict:
    found = [item for item in seen.items if item.service == service.name]
    if service.replicas == 0:
        return Verdict(Health.OK)
    if len(found) < service.replicas:
        has = f"{len(found)} of {service.replicas} containers" if found else "no container"
        return Verdict(Health.BAD, (f"{service.name} has {has}",))
    ends = ends_by_itself(stack, service)
    verdicts = [_judge_state(stack, item, seen.at, known, ends=ends) for item in found]
    wanted_id = images.get(service.image, "")
    for item in found:
        if wanted_id and item.state.image_id != wanted_id:
            verdicts.append(Verdict(Health.BAD, (f"{service.name} runs another image than {service.image}",)))
    return worst(verdicts)


def _judge_return(
    stack: Stack, was: StackContainer, now: list[StackContainer], at: float, known: Mapping[str, int]
) -> Verdict:
    if not now:
        return Verdict(Health.BAD, (f"{was.service} is gone",))
    verdicts = []
    for item in now:
        unhealthy_before = was.state.health == "unhealthy" and item.state.running
        ends = item.service in stack.one_shot
        verdict = _judge_state(stack, item, at, known, ends=ends)
        verdicts.append(Verdict(Health.OK) if unhealthy_before else verdict)
        if item.state.image_id != was.state.image_id:
            verdicts.append(Verdict(Health.BAD, (f"{was.service} does not run the image from before",)))
    return worst(verdicts)


def _judge_state(
    stack: Stack, item: StackContainer, at: float, known: Mapping[str, int], *, ends: bool
) -> Verdict:
    state, name = item.state, item.service
    restarts = state.restarts - known.get(state.id, 0)
    if ends and state.status in ("exited", "stopped"):
        done = state.exit_code == 0
        return Verdict(
            Health.OK if done else Health.BAD, () if done else (f"{name} ended {state.exit_code}",)
        )
    if restarts >= MAX_RESTARTS:
        return Verdict(Health.BAD, (f"{name} was restarted {restarts} times",))
    if not state.running:
        comes_back = item.restart not in ("", "no") and state.status not in ("dead", "removing")
        if state.status in ("created", "initialized", "restarting") or comes_back:
            return Verdict(Health.PENDING, (f"{name} is {state.status}",))
        hint = "; is it one_shot?" if state.exit_code == 0 else ""
        return Verdict(Health.BAD, (f"{name} is {state.status} with exit code {state.exit_code}{hint}",))
    if state.status == "paused":
        return Verdict(Health.BAD, (f"{name} is paused",))
    checked = judge_check(state, name)
    if checked.health is not Health.OK:
        return checked
    up_s = at - state.started_at
    if not ends and up_s < stack.settle_s:
        return Verdict(Health.PENDING, (f"{name} has been up for {max(up_s, 0):.0f} s",))
    return Verdict(Health.OK)


def _judge_smoke(report: object) -> Verdict:
    if isinstance(report, Unknown):
        return Verdict(Health.UNKNOWN, (report.reason,))
    if not isinstance(report, SmokeReport) or not report.is_ready:
        return Verdict(Health.PENDING, ("waiting for the containers before the smoke checks",))
    if report.failed:
        return Verdict(Health.BAD, tuple(f"smoke failed: {says}" for says in report.failed))
    return Verdict(Health.OK)
