"""Deploying a service as tables: facts in, plan or verdict out."""

from dataclasses import replace
from typing import Any

import pytest

from podup.recipes.actions import RemoveImage, UntagImage
from podup.recipes.facts import (
    ContainerOf,
    ContainerState,
    Dependants,
    DiskRoom,
    DiskSpace,
    ImageAt,
    ImagesOf,
    LocalImage,
    ProbeResult,
    RemoteImage,
    RemoteImageOf,
    UnitConfig,
    UnitConfigOf,
    UnitState,
    UnitStateOf,
)
from podup.recipes.health_checks import HealthCheck, HealthCheckNow
from podup.recipes.policy import Policy, PolicyOf
from podup.recipes.restart import RESTART, RestartParams
from podup.recipes.service import DEPLOY, ROLLBACK
from podup.recipes.service_goal import ServiceParams
from podup.recipes.verbs import Aim, Decision, Facts, Health, Plan, Query, Unknown

UNIT = "web.service"
REF = "ghcr.io/acme/web:latest"
NAME = "ghcr.io/acme/web"
OLD, NEW, ELSE = (f"sha256:{letter * 64}" for letter in "abc")
OLD_ID, NEW_ID = (f"sha256:{digit * 64}" for digit in "12")
PULL = f"{NAME}@{NEW}"

STATE = UnitState(UNIT, "loaded", "active", "running", kind="notify", invocation="i1")
CONTAINER = ContainerState("c1", "web", OLD_ID, REF, OLD, "running", True)


def seen(**changes: Any) -> Facts:
    facts: dict[Query, Any] = {
        PolicyOf(UNIT): changes.get("policy", Policy(1000.0)),
        UnitStateOf(UNIT): changes.get("state", STATE),
        UnitConfigOf(UNIT): changes.get("config", UnitConfig(UNIT, "podman-run", REF)),
        ContainerOf(UNIT): changes.get("container", CONTAINER),
        Dependants(UNIT): changes.get("dependants", ()),
        DiskRoom(): changes.get("disk", DiskSpace("/", 10**12, 10**12)),
        ImageAt(REF): changes.get("own", LocalImage(OLD_ID, OLD)),
        ImagesOf((NAME, "localhost/podup/web")): changes.get("images", ()),
        RemoteImageOf(REF): changes.get("remote", RemoteImage(NEW, ELSE, NEW_ID, 1000)),
        ImageAt(PULL): changes.get("pulled"),
    }
    return Facts(facts)


def says(plan: Plan) -> list[str]:
    return [step.says for step in plan.steps]


def test_a_new_image_is_kept_pulled_named_and_started_in_this_order() -> None:
    assert says(DEPLOY.plan(ServiceParams(UNIT), seen())) == [
        "keep the running image as localhost/podup/web:111111111111",
        "pull ghcr.io/acme/web:latest at sha256:bbbbbbbbbbbb",
        "name it ghcr.io/acme/web:latest",
        "restart web.service",
    ]


def test_needs_are_asked_until_nothing_new_is_wanted() -> None:
    whole = seen()
    known = Facts()
    for _ in range(8):
        wanted = [query for query in DEPLOY.needs(ServiceParams(UNIT), known) if query not in known]
        if not wanted:
            break
        known = known.with_({query: whole[query] for query in wanted})
    assert set(known) == set(whole)


@pytest.mark.parametrize(
    ("changes", "decision", "code"),
    [
        ({"state": UnitState(UNIT)}, Decision.REFUSE, "unit-not-found"),
        ({"state": replace(STATE, load="masked")}, Decision.REFUSE, "unit-masked"),
        ({"state": replace(STATE, load="bad-setting")}, Decision.REFUSE, "unit-unreadable"),
        ({"state": replace(STATE, need_reload=True)}, Decision.REFUSE, "unit-not-reloaded"),
        ({"config": UnitConfig(UNIT)}, Decision.REFUSE, "image-unknown"),
        ({"config": UnitConfig(UNIT, "quadlet", REF, pinned=True)}, Decision.REFUSE, "image-pinned"),
        ({"config": UnitConfig(UNIT, "quadlet", "localhost/web:1")}, Decision.REFUSE, "image-is-local"),
        (
            {"config": UnitConfig(UNIT, "quadlet", REF, pulls_at_start=True)},
            Decision.REFUSE,
            "pulls-at-start",
        ),
        ({"config": UnitConfig(UNIT, "podman-start", REF)}, Decision.REFUSE, "container-is-fixed"),
        ({"remote": Unknown("registry-slow", "no answer")}, Decision.FAIL, "registry-slow"),
        ({"remote": RemoteImage(OLD)}, Decision.SKIP, "up-to-date"),
        ({"remote": RemoteImage(ELSE, OLD)}, Decision.SKIP, "up-to-date"),
        ({"pulled": LocalImage(OLD_ID)}, Decision.SKIP, "up-to-date"),
        ({"policy": Policy(1000.0, quarantined=((NEW, "exits at once"),))}, Decision.SKIP, "quarantined"),
        ({"policy": Policy(1000.0, quarantined=((ELSE, "exits at once"),))}, Decision.SKIP, "quarantined"),
        ({"policy": Policy(1000.0, frozen="holiday")}, Decision.REFUSE, "frozen"),
        ({"policy": Policy(1000.0, needs_operator="it broke")}, Decision.REFUSE, "needs-operator"),
        ({"policy": Policy(1000.0, opens_s=2000.0)}, Decision.POSTPONE, "window-closed"),
        ({"policy": Policy(1000.0, cooldown_s=60.0)}, Decision.POSTPONE, "cooling-down"),
        (
            {"policy": Policy(1000.0, cooldown_s=60.0, first_seen=((NEW, 900.0),))},
            Decision.DO,
            "",
        ),
        ({"policy": Policy(1000.0, allowed=("docker.io/*",))}, Decision.REFUSE, "image-not-allowed"),
        ({"disk": DiskSpace("/", 1000, 10**12)}, Decision.REFUSE, "disk-full"),
    ],
)
def test_what_stands_in_the_way(changes: dict[str, Any], decision: Decision, code: str) -> None:
    plan = DEPLOY.plan(ServiceParams(UNIT), seen(**changes))
    assert (plan.decision, plan.code) == (decision, code)
    assert bool(plan.steps) == (decision is Decision.DO)


@pytest.mark.parametrize("state", [STATE, replace(STATE, active="inactive", sub="dead")])
def test_a_container_that_nobody_could_tell_is_refused(state: UnitState) -> None:
    unnamed = UnitConfig(UNIT, "podman-run", REF, is_labelled=False)
    plan = DEPLOY.plan(ServiceParams(UNIT), seen(state=state, container=None, config=unnamed))
    assert (plan.decision, plan.code) == (Decision.REFUSE, "container-unknown")
    for config in (replace(unnamed, container_name="web"), replace(unnamed, is_labelled=True)):
        assert DEPLOY.plan(ServiceParams(UNIT), seen(state=state, container=None, config=config)).steps
    assert DEPLOY.plan(ServiceParams(UNIT), seen(state=state, config=unnamed)).steps, "it was found"


@pytest.mark.parametrize(
    ("source", "says"),
    [("kube", "Kubernetes"), ("pod", "a pod"), ("quadlet", "built on this"), ("unknown", "not known")],
)
def test_a_unit_without_an_image_is_told_why(source: str, says: str) -> None:
    plan = DEPLOY.plan(ServiceParams(UNIT), seen(config=UnitConfig(UNIT, source)))
    assert plan.code == "image-unknown" and says in plan.reason and plan.hint


def test_a_unit_with_a_container_nobody_could_tell_is_restarted_without_looking_for_it() -> None:
    unnamed = UnitConfig(UNIT, "podman-run", REF, is_labelled=False)
    facts = seen(container=None, config=unnamed)
    assert RESTART.judge(RestartParams(UNIT), facts, facts, Aim.NEW).health is Health.OK
    labelled = seen(container=None, config=replace(unnamed, is_labelled=True))
    assert RESTART.judge(RestartParams(UNIT), labelled, labelled, Aim.NEW).health is Health.PENDING


def test_force_passes_a_freeze_but_never_a_quarantine() -> None:
    forced = ServiceParams(UNIT, force=True)
    assert DEPLOY.plan(forced, seen(policy=Policy(1000.0, frozen="x"))).steps
    held = Policy(1000.0, quarantined=((NEW, "x"),))
    assert DEPLOY.plan(forced, seen(policy=held)).code == "quarantined"


def test_another_repository_is_refused() -> None:
    plan = DEPLOY.plan(ServiceParams(UNIT, image="ghcr.io/evil/web:1"), seen())
    assert (plan.decision, plan.code) == (Decision.REFUSE, "image-mismatch")


def test_rollback_goes_to_a_digest_without_asking_the_registry() -> None:
    p = ServiceParams(UNIT, to=NEW)
    assert RemoteImageOf(REF) not in ROLLBACK.needs(p, seen())
    plan = ROLLBACK.plan(p, seen(pulled=LocalImage(NEW_ID)))
    assert "pull" not in " ".join(says(plan)) and says(plan)[-1] == "restart web.service"


NEW_CONTAINER = replace(CONTAINER, id="c2", image_id=NEW_ID, image_digest=NEW)
AGAIN = replace(STATE, invocation="i2")


def checked(word: str, check: HealthCheck) -> ContainerState:
    return replace(NEW_CONTAINER, health=word, check=check)


def after(**changes: Any) -> Facts:
    defaults = {
        "state": AGAIN,
        "container": NEW_CONTAINER,
        "own": LocalImage(NEW_ID),
        "pulled": LocalImage(NEW_ID),
    }
    return seen(**{**defaults, **changes})


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({}, Health.OK),
        ({"state": replace(AGAIN, restarts=1)}, Health.BAD),
        ({"state": replace(AGAIN, active="failed", result="exit-code")}, Health.BAD),
        ({"state": replace(AGAIN, active="activating", sub="auto-restart")}, Health.BAD),
        ({"state": replace(AGAIN, active="activating", sub="start")}, Health.PENDING),
        ({"state": replace(AGAIN, active="inactive", sub="dead")}, Health.BAD),
        ({"state": Unknown("no-bus", "the bus is away")}, Health.UNKNOWN),
        ({"container": None}, Health.PENDING),
        ({"container": replace(NEW_CONTAINER, health="starting")}, Health.PENDING),
        ({"container": replace(NEW_CONTAINER, health="unhealthy")}, Health.BAD),
        ({"container": checked("unhealthy", HealthCheck(failing=1))}, Health.PENDING),
        ({"container": checked("unhealthy", HealthCheck(failing=2))}, Health.PENDING),
        ({"container": checked("unhealthy", HealthCheck(failing=3))}, Health.BAD),
        ({"container": checked("unhealthy", HealthCheck(retries=1, failing=1))}, Health.PENDING),
        ({"container": checked("unhealthy", HealthCheck(retries=1, failing=2))}, Health.BAD),
        ({"container": checked("unhealthy", HealthCheck(failing=1, has_passed=True))}, Health.BAD),
        ({"container": replace(NEW_CONTAINER, health="healthy")}, Health.OK),
        ({"container": replace(NEW_CONTAINER, running=False, status="exited")}, Health.PENDING),
        ({"container": CONTAINER}, Health.PENDING),
    ],
)
def test_the_new_state_is_judged(changes: dict[str, Any], health: Health) -> None:
    assert DEPLOY.judge(ServiceParams(UNIT), seen(), after(**changes), Aim.NEW).health is health


@pytest.mark.parametrize(
    ("word", "check", "is_asked_for"),
    [
        ("starting", HealthCheck(interval_s=300.0), True),
        ("starting", HealthCheck(interval_s=0.0), True),
        ("unhealthy", HealthCheck(interval_s=30.0, failing=1), True),
        ("unhealthy", HealthCheck(interval_s=300.0, failing=3), False),
        ("starting", HealthCheck(interval_s=5.0), False),
        ("healthy", HealthCheck(interval_s=300.0), False),
    ],
)
def test_a_check_that_podman_makes_late_is_asked_for(
    word: str, check: HealthCheck, is_asked_for: bool
) -> None:
    verdict = DEPLOY.judge(ServiceParams(UNIT), seen(), after(container=checked(word, check)), Aim.NEW)
    assert verdict.asks == ((HealthCheckNow("c2"),) if is_asked_for else ())


def test_a_service_whose_first_check_came_too_early_was_not_broken() -> None:
    early = replace(CONTAINER, health="unhealthy", check=HealthCheck(interval_s=300.0, failing=1))
    failed = after(state=replace(AGAIN, active="failed", result="exit-code"), container=None)
    assert DEPLOY.revert(ServiceParams(UNIT), seen(container=early), failed).steps
    broken = replace(CONTAINER, health="unhealthy", check=HealthCheck(interval_s=30.0, failing=9))
    assert DEPLOY.revert(ServiceParams(UNIT), seen(container=broken), failed).code == "was-broken"


def test_a_dependant_left_dead_is_bad() -> None:
    before = seen(dependants=(("app.service", "active"),))
    dead = after(dependants=(("app.service", "failed"),))
    assert DEPLOY.judge(ServiceParams(UNIT), before, dead, Aim.NEW).health is Health.BAD


def test_a_probe_is_asked_and_waited_for() -> None:
    p = ServiceParams(UNIT, probe="tcp://127.0.0.1:1")
    assert ProbeResult("tcp://127.0.0.1:1") in DEPLOY.watch(p, seen())


def test_the_way_back_names_the_old_image_and_restarts() -> None:
    plan = DEPLOY.revert(ServiceParams(UNIT), seen(), after())
    assert [type(step.action).__name__ for step in plan.steps] == ["TagImage", "ResetFailed", "RestartUnit"]


def test_nothing_is_restarted_when_only_the_name_had_moved() -> None:
    plan = DEPLOY.revert(ServiceParams(UNIT), seen(), seen(own=LocalImage(NEW_ID)))
    assert [type(step.action).__name__ for step in plan.steps] == ["TagImage"]


def test_nothing_touched_needs_nothing_taken_back() -> None:
    assert DEPLOY.revert(ServiceParams(UNIT), seen(), seen()).steps == ()


def test_a_service_that_was_broken_is_said_so_and_left() -> None:
    before = seen(state=replace(STATE, active="failed", result="exit-code"), container=None)
    plan = DEPLOY.revert(ServiceParams(UNIT), before, after())
    assert plan.steps == () and plan.code == "was-broken"


STOPPED = replace(STATE, active="inactive", sub="dead", invocation="")


@pytest.mark.parametrize(
    ("own", "steps"),
    [
        (LocalImage(OLD_ID, OLD), ["TagImage", "StopUnit", "ResetFailed"]),
        (None, ["UntagImage", "StopUnit", "ResetFailed"]),
    ],
)
def test_a_service_that_was_stopped_is_stopped_again(own: LocalImage | None, steps: list[str]) -> None:
    before = seen(state=STOPPED, container=None, own=own)
    p = ServiceParams(UNIT)
    failed = after(state=replace(AGAIN, active="failed", result="exit-code"), container=None)
    assert says(DEPLOY.plan(p, before))[-1] == "restart web.service"
    plan = DEPLOY.revert(p, before, failed)
    assert [type(step.action).__name__ for step in plan.steps] == steps
    gone = after(state=STOPPED, container=None, own=own)
    assert DEPLOY.judge(p, before, gone, Aim.OLD).health is Health.OK
    assert DEPLOY.judge(p, before, after(), Aim.OLD).health is Health.BAD
    assert "quarantine" in [item.what for item in DEPLOY.remember(p, before, gone, "rolled_back")]


JOB = replace(STATE, active="inactive", sub="dead", kind="oneshot")


@pytest.mark.parametrize(
    "state",
    [
        JOB,
        replace(JOB, active="activating", sub="start"),
        replace(JOB, kind="notify", triggered_by=("web.path", "web.timer")),
    ],
)
def test_a_job_is_not_run_for_a_new_image(state: UnitState) -> None:
    before = seen(state=state, container=None)
    p = ServiceParams(UNIT)
    assert says(DEPLOY.plan(p, before))[-1] == "name it ghcr.io/acme/web:latest"
    done = seen(state=state, container=None, own=LocalImage(NEW_ID), pulled=LocalImage(NEW_ID))
    assert DEPLOY.judge(p, before, done, Aim.NEW).health is Health.OK
    assert DEPLOY.judge(p, before, before, Aim.NEW).health is Health.BAD
    assert DEPLOY.plan(p, done).code == "up-to-date"
    ran = seen(state=replace(state, invocation="i2"), container=None, own=LocalImage(NEW_ID))
    assert [type(step.action).__name__ for step in DEPLOY.revert(p, before, ran).steps] == ["TagImage"]
    assert DEPLOY.judge(p, before, ran, Aim.OLD).health is Health.BAD


def test_a_job_that_stays_active_is_run_and_needs_no_container() -> None:
    exited = replace(STATE, sub="exited", kind="oneshot")
    before, over = seen(state=exited, container=None), after(state=exited, container=None)
    assert says(DEPLOY.plan(ServiceParams(UNIT), before))[-1] == "restart web.service"
    assert DEPLOY.judge(ServiceParams(UNIT), before, over, Aim.NEW).health is Health.OK
    started = seen(state=exited)
    assert DEPLOY.judge(ServiceParams(UNIT), started, over, Aim.NEW).health is Health.PENDING


def test_a_job_that_works_just_now_may_end() -> None:
    timed = replace(STATE, triggered_by=("web.timer",))
    over = after(state=replace(timed, active="inactive", sub="dead"), container=None)
    assert says(DEPLOY.plan(ServiceParams(UNIT), seen(state=timed)))[-1] == "restart web.service"
    assert DEPLOY.judge(ServiceParams(UNIT), seen(state=timed), over, Aim.NEW).health is Health.OK
    failed = after(state=replace(timed, active="failed", result="exit-code"), container=None)
    assert DEPLOY.judge(ServiceParams(UNIT), seen(state=timed), failed, Aim.NEW).health is Health.BAD


def test_a_rolled_back_digest_is_remembered_as_quarantined() -> None:
    known = DEPLOY.remember(ServiceParams(UNIT), seen(), after(), "rolled_back")
    held = next(item for item in known if item.what == "quarantine")
    assert held.values["digest"] == NEW and held.values["index_digest"] == ELSE


def test_old_images_of_this_service_alone_are_pruned() -> None:
    old = [
        LocalImage(f"sha256:{n}", names=(f"localhost/podup/web:{n}",), created_at=float(n), containers=0)
        for n in range(3, 6)
    ]
    tagged = LocalImage("sha256:9", names=("ghcr.io/acme/web:stable",), containers=0)
    before = seen(images=(*old, tagged))
    steps = DEPLOY.finish(ServiceParams(UNIT, keep_images=2), before, after()).steps
    gone = [step.action for step in steps]
    assert gone == [
        UntagImage("localhost/podup/web:4"),
        RemoveImage("sha256:4"),
        UntagImage("localhost/podup/web:3"),
        RemoveImage("sha256:3"),
    ]
