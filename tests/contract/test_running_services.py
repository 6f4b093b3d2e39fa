"""Units and containers: what systemd and podman say of a service that does well, and of one that does not."""

import pytest
from benches import Bench, Machine, Variation

from podup.core.unit_files import UNIT_LABEL
from podup.errors import NotFound, PodupError
from podup.recipes.facts import ContainerState


@pytest.fixture
def machine(bench: Bench) -> Machine:
    return Machine(bench)


def test_a_unit_nobody_wrote_is_not_found(machine: Machine) -> None:
    web = machine.bench.service()
    known, unknown = machine.systemd.show(web.unit, "nobody.service")
    assert (known.exists, known.active, known.sub) == (True, "inactive", "dead")
    assert (unknown.exists, unknown.active) == (False, "inactive")
    assert known.fragment.endswith(f"/.config/systemd/user/{web.unit}")
    with pytest.raises(NotFound):
        machine.systemd.restart("nobody.service")
    machine.systemd.stop("nobody.service")
    machine.systemd.reset_failed("nobody.service")
    machine.systemd.kill("nobody.service")


def test_a_running_service(machine: Machine) -> None:
    web = machine.bench.service()
    assert machine.podman.container_of(web.unit) is None
    machine.running(web)
    (state,) = machine.systemd.show(web.unit)
    assert state.is_active
    assert (state.sub, state.result, state.restarts) == ("running", "success", 0)
    assert len(state.invocation) == 32
    container = machine.podman.container_of(web.unit)
    assert container is not None
    image = machine.podman.image(web.image)
    assert image is not None
    assert (container.name, container.status, container.running) == (web.name, "running", True)
    assert (container.image_id, container.image_ref) == (image.id, web.image)
    assert container.health == ""
    assert abs(container.started_at - machine.bench.clock.now()) < 30
    assert dict(container.labels)["PODMAN_SYSTEMD_UNIT"] == web.unit
    assert machine.podman.container(web.name) == machine.podman.container(container.id) == container


def test_an_image_cannot_say_which_unit_runs_it(machine: Machine) -> None:
    web, guest = machine.bench.service(), machine.bench.service("guest")
    machine.running(web)
    claim = {UNIT_LABEL: web.unit}
    machine.bench.push(guest, "v1", labels=claim)
    machine.systemd.start(guest.unit)
    own = machine.discovery.container_of(web.unit)
    assert own is not None
    assert own.name == web.name
    machine.bench.run_by_hand(f"hand-{guest.name}", guest)
    containers = {one.name: one.unit for one in machine.podman.containers()}
    names = (web.name, guest.name, f"hand-{guest.name}")
    assert [containers[name] for name in names] == [web.unit, guest.unit, ""]
    assert machine.discovery.container_of(web.unit) == own
    machine.systemd.stop(web.unit)
    assert machine.discovery.container_of(web.unit) is None
    found = {one.unit: one.image for one in machine.discovery.discover().services}
    assert found[guest.unit] == guest.image


def test_a_restart_brings_another_container_and_invocation(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    before = machine.systemd.show(web.unit)[0], machine.podman.container_of(web.unit)
    machine.systemd.restart(web.unit)
    after = machine.systemd.show(web.unit)[0], machine.podman.container_of(web.unit)
    assert before[0].invocation != after[0].invocation
    assert before[1] and after[1] and before[1].id != after[1].id
    assert after[0].restarts == 0


def test_a_stopped_service_has_no_container(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    machine.systemd.stop(web.unit)
    assert machine.systemd.show(web.unit)[0].active == "inactive"
    assert machine.podman.container_of(web.unit) is None


def test_an_image_that_exits_at_once_lets_the_restart_succeed_and_then_fails(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    machine.deploy(web, "v2", "exits")
    failed = machine.eventually(
        "the unit fails", lambda: (s := machine.systemd.show(web.unit)[0]).active == "failed" and s
    )
    assert failed.sub == "failed"
    assert failed.result == "exit-code"
    assert failed.restarts > 0
    assert (failed.exec_code, failed.exec_status) == (1, 1)
    assert machine.podman.container_of(web.unit) is None
    assert "repeated too quickly" in machine.journal.tail(web.unit, lines=100)
    with pytest.raises(PodupError) as refused:
        machine.systemd.restart(web.unit)
    assert refused.value.code == "unit-restart-failed"
    machine.systemd.reset_failed(web.unit)
    assert machine.systemd.show(web.unit)[0].active == "inactive"


def test_without_restart_a_crash_is_final(machine: Machine) -> None:
    web = machine.bench.service(variation=Variation(restart="no"))
    machine.running(web, "v1", "crashes")
    machine.eventually("the unit fails", lambda: machine.systemd.show(web.unit)[0].active == "failed")
    assert machine.systemd.show(web.unit)[0].restarts == 0


def test_a_crash_is_counted_as_a_restart(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web, "v1", "crashes")
    machine.eventually("it was restarted", lambda: machine.systemd.show(web.unit)[0].restarts >= 1)
    machine.systemd.restart(web.unit)
    assert machine.systemd.show(web.unit)[0].restarts == 0


def test_a_kill_is_answered_by_a_restart(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    before = machine.systemd.show(web.unit)[0]
    machine.systemd.kill(web.unit)
    machine.eventually(
        "another process runs",
        lambda: (s := machine.systemd.show(web.unit)[0]).is_active and s.invocation != before.invocation,
    )
    assert machine.systemd.show(web.unit)[0].restarts == 1


@pytest.mark.parametrize(("behaviour", "ends"), [("healthy", "healthy"), ("unhealthy", "unhealthy")])
def test_a_health_check_speaks(machine: Machine, behaviour: str, ends: str) -> None:
    web = machine.bench.service()
    machine.running(web, "v1", behaviour)

    def word() -> str:
        container = machine.podman.container_of(web.unit)
        assert container is not None
        assert container.health in ("starting", ends)
        return container.health

    machine.eventually(f"it is {ends}", lambda: word() == ends)
    assert machine.systemd.show(web.unit)[0].is_active


def test_a_health_check_that_comes_late_can_be_made_now(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web, "v1", "seldom-checked")

    def container() -> ContainerState:
        found = machine.podman.container_of(web.unit)
        assert found is not None
        return found

    before = container()
    assert (before.health, before.is_unwell) != ("healthy", True)
    assert before.check.interval_s == 300

    def is_uncounted() -> bool:
        failing = container().check.failing
        return machine.podman.check_health(before.id).ok or container().check.failing == failing

    assert is_uncounted() or is_uncounted(), "podman has not counted that; its own first one may come between"
    machine.eventually("it passes", lambda: machine.podman.check_health(before.id).ok)
    assert container().health == "healthy"


def test_health_may_turn(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web, "v1", "sickens")

    def word() -> str:
        container = machine.podman.container_of(web.unit)
        return container.health if container else ""

    machine.eventually("it is healthy", lambda: word() == "healthy")
    machine.eventually("it is unhealthy", lambda: word() == "unhealthy")


def test_a_container_that_never_says_ready_times_out(machine: Machine) -> None:
    variation = Variation(notify="container", start_timeout_s=3, restart="no")
    web = machine.bench.service(variation=variation)
    machine.bench.push(web, "v1", "never-ready")
    with pytest.raises(PodupError) as failed:
        machine.systemd.start(web.unit)
    assert failed.value.code == "unit-start-failed"
    machine.eventually("it gave up", lambda: machine.systemd.show(web.unit)[0].active == "failed")
    assert machine.systemd.show(web.unit)[0].result == "timeout"


def test_a_start_is_not_waited_for_longer_than_allowed(machine: Machine) -> None:
    web = machine.bench.service(variation=Variation(notify="container", restart="no"))
    machine.bench.push(web, "v1", "never-ready")
    with pytest.raises(PodupError, match="stopped after 1 s"):
        machine.systemd.start(web.unit, timeout_s=1)
    assert machine.systemd.show(web.unit)[0].is_changing
    machine.systemd.stop(web.unit)


def test_a_start_that_is_not_waited_for(machine: Machine) -> None:
    web = machine.bench.service()
    machine.bench.push(web, "v1")
    machine.systemd.start(web.unit, wait=False)
    machine.eventually("it runs", lambda: machine.systemd.show(web.unit)[0].is_active)


def test_a_service_without_its_image_does_not_start(machine: Machine) -> None:
    web = machine.bench.service(variation=Variation(restart="no"))
    with pytest.raises(PodupError) as failed:
        machine.systemd.start(web.unit)
    assert failed.value.code == "unit-start-failed"
    assert "manifest unknown" in machine.journal.tail(web.unit, lines=50)


@pytest.mark.parametrize("relation", ["Requires", "BindsTo", "PartOf"])
def test_those_that_need_a_service_follow_its_restart(machine: Machine, relation: str) -> None:
    web = machine.bench.service()
    proxy = machine.bench.service("proxy", Variation(needs=((relation, web.unit),)))
    machine.running(web)
    assert machine.systemd.dependants(web.unit) == ()
    machine.running(proxy)
    assert machine.systemd.dependants(web.unit) == ((proxy.unit, "active"),)
    before = machine.systemd.show(proxy.unit)[0].invocation
    machine.systemd.restart(web.unit)
    machine.eventually("the other is back", lambda: machine.systemd.show(proxy.unit)[0].is_active)
    assert machine.systemd.show(proxy.unit)[0].invocation != before
    machine.systemd.stop(web.unit)
    machine.eventually("the other stopped", lambda: not machine.systemd.show(proxy.unit)[0].is_active)


def test_those_that_need_a_service_are_down_when_its_restart_fails(machine: Machine) -> None:
    web = machine.bench.service(variation=Variation(restart="no", pull="never"))
    proxy = machine.bench.service("proxy", Variation(needs=(("Requires", web.unit),)))
    part = machine.bench.service("part", Variation(needs=(("PartOf", web.unit),)))
    machine.bench.push(web, "v1")
    machine.podman.pull(web.image)
    machine.running(proxy)
    machine.running(part)
    assert machine.systemd.show(web.unit)[0].is_active
    machine.podman.untag(web.image)
    with pytest.raises(PodupError):
        machine.systemd.restart(web.unit)
    machine.eventually("part is back", lambda: machine.systemd.show(part.unit)[0].is_active)
    assert machine.systemd.dependants(web.unit) == ((part.unit, "active"),)
    assert machine.systemd.show(proxy.unit)[0].active == "inactive"
    assert "Dependency failed" in machine.journal.tail(proxy.unit, lines=20)


def test_dependants_are_followed_to_the_end(machine: Machine) -> None:
    web = machine.bench.service()
    proxy = machine.bench.service("proxy", Variation(needs=(("Requires", web.unit),)))
    edge = machine.bench.service("edge", Variation(needs=(("Requires", proxy.unit),)))
    for each in (web, proxy, edge):
        machine.running(each)
    names = [unit for unit, _ in machine.systemd.dependants(web.unit)]
    assert names == sorted([proxy.unit, edge.unit])


def test_what_a_unit_says(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    machine.eventually(
        "its log is there", lambda: "starting v1" in machine.journal.tail(web.unit, lines=100)
    )
    assert machine.podman.logs(web.name, lines=10) == f"starting v1-{web.name}"
    assert machine.podman.logs("nobody", lines=10) == ""
    assert web.unit in machine.systemd.status(web.unit)
    assert "Active: active (running)" in machine.systemd.status(web.unit)
    assert "could not be found" in machine.systemd.status("nobody.service")
    assert "No entries" in machine.journal.tail("nobody.service", lines=5)


def test_the_journal_is_told_from_a_moment_on(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    machine.eventually("a first line", lambda: "starting v1" in machine.journal.tail(web.unit, lines=100))
    moment_s = machine.bench.clock.now()
    machine.deploy(web, "v2")

    def heard() -> list[str]:
        return [line.text for line in machine.journal.since(web.unit, moment_s)]

    machine.eventually("the new line", lambda: f"starting v2-{web.name}" in heard())
    assert f"starting v1-{web.name}" not in heard()


def test_probes(machine: Machine) -> None:
    web = machine.bench.service()
    machine.running(web)
    for spec in (f"http://127.0.0.1:{web.port}/version", f"tcp://127.0.0.1:{web.port}"):
        machine.eventually(spec, lambda spec=spec: machine.bench.prober.probe(spec, timeout_s=2).ok)
    machine.systemd.stop(web.unit)
    assert not machine.bench.prober.probe(f"http://127.0.0.1:{web.port}/version", timeout_s=2).ok


def test_the_managers_own_state(machine: Machine) -> None:
    assert machine.systemd.overall() in ("running", "degraded")


def test_a_units_files_and_configuration(machine: Machine) -> None:
    web = machine.bench.service(variation=Variation(pull="newer"))
    (text,) = machine.systemd.cat(web.unit)
    assert text.path.endswith(f"/{web.unit}")
    assert "[Service]" in text.text
    assert machine.systemd.cat("nobody.service", web.unit, "nowhere.service") == (text,)
    assert web.unit in [file.unit for file in machine.systemd.unit_files()]
    config = machine.discovery.config_of(web.unit)
    assert (config.source, config.image, config.container_name) == ("podman-run", web.image, web.name)
    assert (config.pull_policy, config.pulls_at_start) == ("newer", True)
    discovered = machine.discovery.discover()
    assert discovered.unseen == ()
    found = {one.unit: one for one in discovered.services}
    assert (found[web.unit].source, found[web.unit].image) == ("systemd", web.image)
    assert machine.systemd.environment_files(web.unit) == ()
