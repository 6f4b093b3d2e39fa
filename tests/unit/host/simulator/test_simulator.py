"""The simulated machine through the very classes that drive the real one."""

from dataclasses import replace
from pathlib import Path

import pytest

from podup.core.images import parse_ref
from podup.errors import NotFound, PodupError
from podup.host.journal import Journal
from podup.host.podman import Podman
from podup.host.run import Command, ReadOnly
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.parts import Behaviour, Fault, SimulatedUnit
from podup.host.simulator.programs import NotSimulated
from podup.host.simulator.simulator import Killed, Simulator, Undeclared
from podup.host.systemd import Systemd

WEB = "ghcr.io/acme/web:latest"
AUTO = ("io.containers.autoupdate", "registry")
UNIT = SimulatedUnit("web.service", image=WEB, container="web", port=8080, labels=(AUTO,))


class Bench:
    """A machine with a service that runs v1."""

    def __init__(self, unit: SimulatedUnit = UNIT, *others: SimulatedUnit) -> None:
        self.clock = ManualClock()
        self.machine = Simulator(self.clock)
        self.podman = Podman(self.machine)
        self.systemd = Systemd(self.machine)
        self.journal = Journal(self.machine)
        self.machine.add(unit, *others)
        self.machine.push(WEB, "v1")
        self.systemd.start("web.service")

    @property
    def state(self):
        return self.systemd.show("web.service")[0]

    @property
    def container(self):
        return self.podman.container_of("web.service")

    def deploy(self, behaviour: str | Behaviour = "good", version: str = "v2") -> None:
        remote = self.machine.push(WEB, version, behaviour)
        pinned = f"ghcr.io/acme/web@{remote.digest}"
        self.podman.pull(pinned)
        self.podman.tag(pinned, WEB)
        self.systemd.restart("web.service")


def test_a_service_runs_the_image_of_its_tag() -> None:
    bench = Bench()
    assert bench.state.is_active
    assert bench.container.running
    assert bench.container.image_id == bench.podman.image(WEB).id
    assert "starting v1" in bench.journal.tail("web.service", lines=20)
    assert bench.podman.logs("web", lines=5) == "starting v1"


def test_a_deployment_changes_the_running_image_and_keeps_the_old_one() -> None:
    bench = Bench()
    old = bench.container
    bench.deploy()
    assert bench.container.image_id != old.image_id
    assert bench.container.id != old.id
    assert bench.podman.image(old.image_id).is_dangling
    assert {image.id for image in bench.podman.images_of(["ghcr.io/acme/web"])} == {
        old.image_id,
        bench.container.image_id,
    }


def test_an_image_that_exits_at_once_is_called_started_and_then_fails_for_good() -> None:
    bench = Bench()
    bench.deploy("exits")
    assert bench.state.is_active
    bench.clock.sleep(5)
    assert bench.state.active == "failed"
    assert bench.state.result == "exit-code"
    assert bench.container is None
    assert "Start request repeated too quickly" in bench.journal.tail("web.service", lines=50)
    with pytest.raises(PodupError) as failed:
        bench.systemd.restart("web.service")
    assert failed.value.code == "unit-restart-failed"
    bench.systemd.reset_failed("web.service")
    assert bench.state.active == "inactive"


def test_an_image_that_crashes_now_and_then_is_restarted_for_ever() -> None:
    bench = Bench()
    bench.clock.sleep(20)
    bench.deploy("crashes")
    bench.clock.sleep(60)
    assert bench.state.restarts > 10
    assert bench.state.active in ("active", "activating")


def test_health_changes_with_time() -> None:
    bench = Bench()
    bench.deploy("sickens")
    assert bench.container.health == "starting"
    bench.clock.sleep(1.5)
    assert bench.container.health == "healthy"
    bench.clock.sleep(2)
    assert bench.container.health == "unhealthy"
    assert bench.container.health_says == "the check failed"


def test_a_unit_that_waits_for_its_container_gives_up_in_time() -> None:
    bench = Bench(replace(UNIT, notify="container", start_timeout_s=30, restart="no"))
    before = bench.clock.monotonic()
    with pytest.raises(PodupError):
        bench.deploy("never-ready")
    assert 30 <= bench.clock.monotonic() - before < 32
    assert (bench.state.active, bench.state.result) == ("failed", "timeout")


def test_a_command_is_not_waited_for_longer_than_its_deadline() -> None:
    bench = Bench(replace(UNIT, notify="container"))
    bench.deploy("good")
    bench.machine.push(WEB, "v3", "never-ready")
    bench.podman.pull(WEB)
    with pytest.raises(PodupError, match="stopped after 5 s"):
        bench.systemd.restart("web.service", timeout_s=5)
    assert bench.state.is_changing


def test_units_that_need_the_service_are_restarted_with_it_unless_stubborn() -> None:
    needs = {"kind": "service", "requires": ("web.service",)}
    proxy, old = SimulatedUnit("proxy.service", **needs), SimulatedUnit("old.service", **needs, stubborn=True)
    bench = Bench(UNIT, proxy, old)
    bench.systemd.start("proxy.service")
    bench.systemd.start("old.service")
    before = (("old.service", "active"), ("proxy.service", "active"))
    assert bench.systemd.dependants("web.service") == before
    bench.deploy()
    bench.clock.sleep(1)
    assert bench.systemd.dependants("web.service") == (("proxy.service", "active"),)
    assert bench.systemd.show("old.service")[0].active == "inactive"


def test_units_that_need_a_service_wait_for_it_and_fail_with_it() -> None:
    web = replace(UNIT, notify="container", start_timeout_s=5)
    proxy = SimulatedUnit("proxy.service", kind="service", requires=("web.service",))
    part = SimulatedUnit("part.service", kind="service", part_of=("web.service",))
    bench = Bench(web, proxy, part)
    bench.systemd.stop("web.service")
    bench.systemd.start("proxy.service")
    bench.systemd.start("part.service")
    assert bench.state.is_active
    with pytest.raises(PodupError):
        bench.deploy("never-ready")
    assert bench.systemd.dependants("web.service") == (("part.service", "activating"),)
    assert bench.systemd.show("proxy.service")[0].active == "inactive"
    assert "Dependency failed" in bench.journal.tail("proxy.service", lines=5)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("gone", "registry-unreachable"),
        ("unauthorized", "registry-unauthorized"),
        ("limited", "registry-rate-limited"),
    ],
)
def test_registry_troubles_have_their_codes(state: str, code: str) -> None:
    bench = Bench()
    with bench.machine.open() as machine:
        machine.registry = state
    with pytest.raises(PodupError) as pulled:
        bench.podman.pull(WEB)
    with pytest.raises(PodupError) as resolved:
        bench.machine.resolve(parse_ref(WEB))
    assert pulled.value.code == resolved.value.code == code


def test_a_registry_may_go_away_in_the_middle_of_a_pull() -> None:
    bench = Bench()
    bench.machine.push(WEB, "v2")
    lines = []

    def break_it(line: str) -> None:
        lines.append(line)
        if line.startswith("Copying blob"):
            with bench.machine.open() as machine:
                machine.registry = "gone"

    with pytest.raises(PodupError) as failed:
        bench.podman.pull(WEB, on_line=break_it)
    assert failed.value.code == "registry-unreachable"
    assert lines[0] == f"Trying to pull {WEB}..."


def test_a_full_disk_takes_no_image() -> None:
    bench = Bench()
    bench.machine.push(WEB, "v2")
    with bench.machine.open() as machine:
        machine.disk_free = 1000
    with pytest.raises(PodupError) as failed:
        bench.podman.pull(WEB)
    assert failed.value.code == "disk-full"
    assert bench.podman.disk().free_bytes == 0


def test_an_absent_image_is_none_or_not_found() -> None:
    bench = Bench()
    assert bench.podman.image("ghcr.io/acme/none:1") is None
    assert bench.podman.container("nobody") is None
    with pytest.raises(NotFound):
        bench.podman.tag("ghcr.io/acme/none:1", "ghcr.io/acme/web:new")
    bench.podman.untag("ghcr.io/acme/none:1")
    bench.podman.remove_image("sha256:" + "0" * 64)


def test_an_image_in_use_stays() -> None:
    bench = Bench()
    with pytest.raises(PodupError) as failed:
        bench.podman.remove_image(bench.container.image_id)
    assert failed.value.code == "image-not-removed"


def test_auto_update_foresees_and_does() -> None:
    bench = Bench(UNIT, SimulatedUnit("podman-auto-update.service", kind="auto-update"))
    bench.machine.push(WEB, "v2")
    (row,) = bench.podman.auto_update_outlook()
    assert (row.unit, row.updated) == ("web.service", "pending")
    old = bench.container.image_id
    bench.systemd.start("podman-auto-update.service")
    bench.clock.sleep(1)
    assert bench.container.image_id != old


def test_transient_units_are_forgotten_when_they_end() -> None:
    bench = Bench()
    bench.systemd.run_transient("podup-task-a.service", ("sleep", "3"))
    with pytest.raises(PodupError, match="already loaded"):
        bench.systemd.run_transient("podup-task-a.service", ("true",))
    assert bench.systemd.show("podup-task-a.service")[0].is_active
    bench.clock.sleep(4)
    assert not bench.systemd.show("podup-task-a.service")[0].exists


def test_the_journal_is_told_from_a_moment_on() -> None:
    bench = Bench()
    bench.clock.sleep(60)
    moment_s = bench.clock.now()
    assert bench.journal.since("web.service", moment_s) == ()
    bench.deploy()
    texts = [line.text for line in bench.journal.since("web.service", moment_s)]
    assert "starting v2" in texts and "starting v1" not in texts


def test_probes_meet_the_program_behind_the_port() -> None:
    bench = Bench()
    assert bench.machine.probe("http://127.0.0.1:8080/health", timeout_s=1).ok
    bench.deploy("mute")
    assert not bench.machine.probe("http://127.0.0.1:8080/health", timeout_s=1).ok


def test_a_dry_run_is_refused_what_changes_and_a_false_declaration_is_found_out() -> None:
    bench = Bench()
    with pytest.raises(PodupError) as refused:
        Systemd(ReadOnly(bench.machine)).restart("web.service")
    assert refused.value.code == "dry-run"
    with pytest.raises(Undeclared):
        bench.machine.run(Command(("systemctl", "--user", "restart", "--", "web.service"), mutates=False))
    with pytest.raises(NotSimulated):
        bench.machine.run(Command(("podman", "rmi", "--force", "x"), mutates=True))
    assert bench.machine.run(Command(("/usr/bin/backup",), mutates=True)).exit == 127


def test_faults_hit_the_commands_they_name() -> None:
    bench = Bench()
    bench.machine.fault(Fault("podman tag", skip=1, stderr="Error: storage is locked"))
    bench.podman.tag(WEB, "localhost/kept:1")
    with pytest.raises(PodupError, match="storage is locked"):
        bench.podman.tag(WEB, "localhost/kept:2")
    bench.podman.tag(WEB, "localhost/kept:3")
    assert bench.podman.image("localhost/kept:2") is None
    bench.machine.fault(Fault("podman tag", effect="after"))
    with pytest.raises(PodupError):
        bench.podman.tag(WEB, "localhost/kept:4")
    assert bench.podman.image("localhost/kept:4") is not None


@pytest.mark.parametrize(("effect", "tagged"), [("kill-before", False), ("kill-after", True)])
def test_a_kill_stands_before_or_after_the_numbered_change(effect: str, tagged: bool) -> None:
    bench = Bench()
    bench.machine.fault(Fault(effect=effect, changing=True, skip=1))
    bench.podman.untag("localhost/kept:1")
    assert bench.podman.image(WEB) is not None
    with pytest.raises(Killed):
        bench.podman.tag(WEB, "localhost/kept:2")
    assert (bench.podman.image("localhost/kept:2") is not None) is tagged


def test_several_processes_share_a_machine_through_its_file(tmp_path: Path) -> None:
    clock = ManualClock()
    one, other = (Simulator(clock, path=tmp_path / "machine.json") for _ in range(2))
    one.add(UNIT)
    other.push(WEB, "v1")
    Systemd(one).start("web.service")
    assert Podman(other).container_of("web.service").running
    written = (tmp_path / "machine.json").read_bytes()
    clock.sleep(1)
    assert Systemd(one).show("web.service")[0].is_active
    assert (tmp_path / "machine.json").read_bytes() == written
    with other.open() as machine:
        assert any("systemctl --user start" in change for change in machine.changes)
