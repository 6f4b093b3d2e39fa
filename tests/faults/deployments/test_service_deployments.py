"""Deployments of a service that meet every fault: they end on the new image or on the old one, and well."""

import pytest
from service_bench import IMAGE, PROBE, PROXY, UNIT, Bench

from podup.core.states import Status
from podup.host.simulator.parts import Behaviour, Fault, SimulatedUnit
from podup.host.simulator.simulator import Killed
from podup.recipes.verbs import Timing

BAD = ["exits", "exits-cleanly", "crashes", "unhealthy", "sickens", "never-ready"]
REGISTRY = {
    "gone": "registry-unreachable",
    "unauthorized": "registry-unauthorized",
    "limited": "registry-rate-limited",
    "slow": "registry-slow",
}


def pushed(behaviour: str | Behaviour = "good", **given) -> tuple[Bench, str]:
    bench = Bench(**given)
    return bench, bench.simulator.push(IMAGE, "v2", behaviour).image_id


def test_a_good_image_goes_live_and_the_old_one_is_kept() -> None:
    bench, new_id = pushed("healthy")
    outcome = bench.deploy()
    assert outcome.status is Status.SUCCEEDED, outcome
    assert bench.is_well_on(new_id)
    (kept,) = bench.podman.images_of(["localhost/podup/web"])
    assert kept.id == bench.old_id


def test_a_good_image_that_is_checked_every_five_minutes_goes_live() -> None:
    bench, new_id = pushed("seldom-checked")
    outcome = bench.deploy()
    assert outcome.status is Status.SUCCEEDED, outcome
    assert bench.is_well_on(new_id)
    asked = [change for change in bench.changes if "healthcheck run" in change]
    assert len(asked) == 1, "podman is told once, when it passed"


def test_a_bad_image_that_is_checked_every_five_minutes_is_taken_back() -> None:
    bench, _ = pushed("seldom-checked-bad")
    outcome = bench.deploy()
    assert outcome.status is Status.ROLLED_BACK, outcome
    assert "has not passed yet" in outcome.summary
    assert not [change for change in bench.changes if "healthcheck run" in change], "podman counts none"


def test_the_same_again_is_up_to_date() -> None:
    bench, _ = pushed()
    bench.deploy()
    count = len(bench.changes)
    outcome = bench.deploy()
    assert (outcome.status, outcome.code) == (Status.SKIPPED, "up-to-date")
    assert len(bench.changes) == count


def test_a_dry_run_says_the_plan_and_changes_nothing() -> None:
    bench, _ = pushed()
    count = len(bench.changes)
    outcome = bench.deploy(dry_run=True)
    assert outcome.status is Status.PLANNED, outcome
    assert len(bench.changes) == count
    assert bench.is_well_on(bench.old_id)


@pytest.mark.parametrize("behaviour", BAD)
def test_a_bad_image_is_taken_back(behaviour: str) -> None:
    bench, new_id = pushed(behaviour)
    outcome = bench.deploy()
    assert outcome.status is Status.ROLLED_BACK, outcome
    assert bench.is_well_on(bench.old_id)
    held = [item.values["digest"] for item in outcome.remember if item.what == "quarantine"]
    assert held == [bench.digest]
    reports = [record for record in bench.sink.records if record["type"] == "diagnosis"]
    assert "starting v2" in str(reports)
    assert new_id != bench.old_id


def test_an_image_that_does_not_answer_its_probe_is_taken_back() -> None:
    bench, _ = pushed("mute", probe=PROBE)
    outcome = bench.deploy()
    assert outcome.status is Status.ROLLED_BACK, outcome
    assert "connection refused" in outcome.summary
    assert bench.is_well_on(bench.old_id)


def test_a_unit_that_waits_in_vain_for_its_container_is_taken_back() -> None:
    bench, _ = pushed("never-ready", traits=SimulatedUnit("", notify="container", start_timeout_s=20))
    assert bench.deploy().status is Status.ROLLED_BACK
    assert bench.is_well_on(bench.old_id)


def test_a_start_that_never_ends_is_taken_back_within_the_deadline() -> None:
    bench, _ = pushed("never-ready", traits=SimulatedUnit("", notify="container", start_timeout_s=3600))
    began_s = bench.clock.monotonic()
    assert bench.deploy(timing=Timing(20.0, 5.0)).status is Status.ROLLED_BACK
    assert bench.clock.monotonic() - began_s < 20 + 5 + 5
    assert bench.is_well_on(bench.old_id)
    assert "starting v2" in str([record for record in bench.sink.records if record["type"] == "diagnosis"])


@pytest.mark.parametrize("behaviour", BAD)
def test_a_service_that_was_stopped_stays_stopped_when_its_new_image_is_bad(behaviour: str) -> None:
    bench, _ = pushed(behaviour, probe=PROBE)
    old_id = bench.old_id
    bench.systemd.stop(UNIT)
    outcome = bench.deploy()
    assert outcome.status is Status.ROLLED_BACK, outcome
    bench.clock.sleep(30)
    state, tagged = bench.systemd.show(UNIT)[0], bench.podman.image(IMAGE)
    assert (state.active, state.result) == ("inactive", "success")
    assert tagged is not None and tagged.id == old_id
    assert [item.values["digest"] for item in outcome.remember if item.what == "quarantine"] == [bench.digest]


@pytest.mark.parametrize("state", REGISTRY)
def test_a_registry_that_does_not_answer_changes_nothing(state: str) -> None:
    bench, _ = pushed()
    before, count = bench.invocation, len(bench.changes)
    with bench.simulator.open() as machine:
        machine.registry = state
    outcome = bench.deploy()
    assert (outcome.status, outcome.code) == (Status.FAILED, REGISTRY[state])
    assert len(bench.changes) == count
    assert bench.invocation == before


@pytest.mark.parametrize("state", REGISTRY)
def test_a_registry_that_goes_away_in_the_middle_of_a_pull_leaves_the_service_alone(state: str) -> None:
    bench, _ = pushed()
    before = bench.invocation

    def break_it() -> None:
        with bench.simulator.open() as machine:
            machine.registry = state

    bench.meddler.at_pull = break_it
    outcome = bench.deploy()
    assert outcome.status is Status.FAILED, outcome
    assert bench.invocation == before
    assert bench.is_well_on(bench.old_id)
    assert not [item for item in outcome.remember if item.what == "quarantine"]


@pytest.mark.parametrize(("state", "status"), [("up", Status.ROLLED_BACK), ("gone", Status.FAILED)])
def test_the_image_before_is_gone_when_it_is_wanted_back(state: str, status: Status) -> None:
    bench, _ = pushed("crashes")
    old_id = bench.old_id

    def prune() -> None:
        bench.meddler.at_restart = lambda: None
        bench.podman.untag(f"localhost/podup/web:{old_id[7:19]}")
        bench.podman.remove_image(old_id)
        assert bench.podman.image(old_id) is None
        with bench.simulator.open() as machine:
            machine.registry = state

    bench.meddler.at_restart = prune
    outcome = bench.deploy()
    assert outcome.status is status, outcome
    assert (state == "up") == bench.is_well_on(old_id)


def test_a_disk_that_fills_up_during_the_pull() -> None:
    bench, _ = pushed()
    before = bench.invocation

    def fill() -> None:
        with bench.simulator.open() as machine:
            machine.disk_free = 1000

    bench.meddler.at_pull = fill
    outcome = bench.deploy()
    assert outcome.status is Status.FAILED
    assert "no space left" in outcome.summary
    assert bench.invocation == before


def test_a_disk_without_room_is_found_before() -> None:
    bench, _ = pushed()
    count = len(bench.changes)
    with bench.simulator.open() as machine:
        machine.disk_free = 1000
    assert bench.deploy().code == "disk-full"
    assert len(bench.changes) == count


def test_a_tag_that_moves_meanwhile_does_not_change_what_is_deployed() -> None:
    bench, new_id = pushed()
    bench.meddler.at_pull = lambda: bench.simulator.push(IMAGE, "v3", "exits")
    assert bench.deploy().status is Status.SUCCEEDED
    assert bench.is_well_on(new_id)


def test_a_unit_that_needs_the_service_and_stays_down_is_no_success() -> None:
    bench, _ = pushed(stubborn=True)
    outcome = bench.deploy()
    assert outcome.status is Status.ROLLED_BACK, outcome
    assert PROXY in outcome.summary
    assert bench.is_well_on(bench.old_id)


def test_those_that_fell_with_the_service_are_started_again() -> None:
    """A start that fails takes those that need the unit along; starting it again does not bring them."""
    bench, _ = pushed("exits", traits=SimulatedUnit("", notify="container", restart="no"))
    bench.simulator.push(IMAGE, "v3", Behaviour(ready_s=None, exits_s=0.0))
    outcome = bench.deploy()
    assert outcome.status is Status.ROLLED_BACK, outcome
    assert f"start {PROXY}" in str([r for r in bench.sink.records if r["type"] == "revert"])
    assert bench.is_well_on(bench.old_id)


def test_a_service_that_was_broken_before_is_not_taken_back_to_that() -> None:
    bench = Bench()
    bench.simulator.push(IMAGE, "v1-broken", "exits")
    bench.podman.pull(IMAGE)
    bench.systemd.restart(UNIT)
    bench.clock.sleep(30)
    new_id = bench.simulator.push(IMAGE, "v2").image_id
    outcome = bench.deploy()
    assert outcome.status is Status.SUCCEEDED, outcome
    assert bench.image_id == new_id


def happy_changes() -> list[str]:
    """Return the commands with which a deployment that goes well changes the machine."""
    bench, _ = pushed()
    count = len(bench.changes)
    bench.deploy()
    return bench.changes[count:]


HAPPY = list(range(len(happy_changes())))
TAKEN_BACK = range(len(HAPPY) + 3)


@pytest.mark.parametrize("effect", ["instead", "after"])
@pytest.mark.parametrize("number", HAPPY)
def test_any_command_may_fail(number: int, effect: str) -> None:
    bench, new_id = pushed()
    bench.simulator.fault(Fault(effect=effect, changing=True, skip=number))
    outcome = bench.deploy()
    assert outcome.status in (Status.ROLLED_BACK, Status.FAILED), outcome
    assert outcome.code != "rollback-failed"
    assert bench.is_well_on(bench.old_id), outcome
    assert new_id not in (image.id for image in bench.podman.images_of([]))


@pytest.mark.parametrize("number", HAPPY)
def test_any_command_may_hang(number: int) -> None:
    bench, _ = pushed()
    bench.simulator.fault(Fault(effect="slow", changing=True, skip=number, delay_s=3600))
    outcome = bench.deploy()
    assert outcome.status in (Status.ROLLED_BACK, Status.FAILED), outcome
    assert bench.is_well_on(bench.old_id), outcome


@pytest.mark.parametrize("effect", ["kill-before", "kill-after"])
@pytest.mark.parametrize("number", HAPPY)
def test_a_deployment_that_is_killed_is_taken_back_or_finished(number: int, effect: str) -> None:
    bench, new_id = pushed()
    bench.simulator.fault(Fault(effect=effect, changing=True, skip=number))
    with pytest.raises(Killed):
        bench.deploy()
    outcome = bench.recover()
    assert outcome.status in (Status.INTERRUPTED, Status.SUCCEEDED, Status.FAILED), outcome
    wanted = new_id if outcome.status is Status.SUCCEEDED else bench.old_id
    assert bench.is_well_on(wanted), outcome


@pytest.mark.parametrize("effect", ["kill-before", "kill-after"])
@pytest.mark.parametrize("number", TAKEN_BACK)
def test_a_deployment_killed_on_its_way_back_still_gets_there(number: int, effect: str) -> None:
    bench, _ = pushed("exits")
    bench.simulator.fault(Fault(effect=effect, changing=True, skip=number))
    try:
        bench.deploy()
    except Killed:
        outcome = bench.recover()
        assert outcome.status in (Status.INTERRUPTED, Status.ROLLED_BACK, Status.FAILED), outcome
    assert bench.is_well_on(bench.old_id)


@pytest.mark.parametrize("first", HAPPY)
@pytest.mark.parametrize("second", range(3))
def test_a_recovery_may_be_killed_too(first: int, second: int) -> None:
    bench, _ = pushed("sickens")
    bench.simulator.fault(Fault(effect="kill-after", changing=True, skip=first))
    with pytest.raises(Killed):
        bench.deploy()
    bench.simulator.fault(Fault(effect="kill-before", changing=True, skip=second))
    try:
        bench.recover()
    except Killed:
        bench.recover()
    assert bench.is_well_on(bench.old_id)
    count = len(bench.changes)
    bench.recover()
    assert len(bench.changes) == count, "a further recovery has nothing to do"


@pytest.mark.parametrize("looks", range(30))
def test_a_deployment_can_be_stopped_at_any_moment(looks: int) -> None:
    bench, new_id = pushed()
    left = [looks]

    def is_stopped() -> bool:
        left[0] -= 1
        return left[0] < 0

    bench.is_stopped = is_stopped
    outcome = bench.deploy(timing=Timing(deadline_s=20, settle_s=5))
    assert outcome.status in (Status.CANCELLED, Status.SUCCEEDED), outcome
    assert bench.is_well_on(new_id if outcome.status is Status.SUCCEEDED else bench.old_id)


def test_back_to_an_image_that_ran_before() -> None:
    bench = Bench()
    old_digest = bench.digest
    new_id = bench.simulator.push(IMAGE, "v2").image_id
    bench.deploy()
    assert bench.is_well_on(new_id)
    outcome = bench.deploy("rollback", to=old_digest)
    assert outcome.status is Status.SUCCEEDED, outcome
    assert bench.is_well_on(bench.old_id)


def test_back_to_an_image_that_is_gone_everywhere() -> None:
    bench, new_id = pushed()
    bench.deploy()
    outcome = bench.deploy("rollback", to="sha256:" + "0" * 64)
    assert outcome.status in (Status.FAILED, Status.ROLLED_BACK), outcome
    assert bench.is_well_on(new_id)


def test_old_images_are_let_go_but_the_kept_ones() -> None:
    bench = Bench()
    for number in range(2, 7):
        bench.simulator.push(IMAGE, f"v{number}")
        assert bench.deploy().status is Status.SUCCEEDED
    images = bench.podman.images_of(["ghcr.io/acme/web", "localhost/podup/web"])
    assert len(images) == 3
