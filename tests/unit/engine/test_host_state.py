"""What /health says of the host, from one look."""

from __future__ import annotations

from simulated_host import WEB, Host

from podup.app.duties import HostWatch, duties_of
from podup.engine.host_state import HostState
from podup.host.run import Command
from podup.host.simulator.parts import Fault, SimulatedUnit


def look(host: Host) -> HostState:
    watch = HostWatch()
    duties = {duty.name: duty for duty in duties_of(host.loaded, host.built, host.clock, watch)}
    duties["host"].work()
    assert watch.latest is not None
    return watch.latest


def test_a_host_that_is_well_has_no_issue(host: Host) -> None:
    seen = look(host)
    assert (seen.podman, seen.podman_version, seen.systemd_state) == ("ok", "4.3.1", "running")
    assert seen.issues == ()


def test_an_active_auto_update_timer_on_managed_units_is_warned_of(host: Host) -> None:
    timer = "podman-auto-update.timer"
    host.machine.add(SimulatedUnit(timer, kind="service"))
    assert look(host).issues == ()
    host.machine.run(Command(("systemctl", "--user", "start", "--", timer), mutates=True))
    (issue,) = look(host).issues
    assert issue.component == "auto-update"
    assert WEB in issue.message
    assert timer in issue.hint


def test_little_room_is_an_issue(host: Host) -> None:
    with host.machine.open() as machine:
        machine.disk_free = 1000
    assert [issue.component for issue in look(host).issues] == ["disk"]


def test_podman_that_fails_is_an_issue_and_the_rest_is_still_seen(host: Host) -> None:
    host.machine.fault(Fault("podman", times=99))
    seen = look(host)
    assert (seen.podman, seen.systemd) == ("failed", "ok")
    assert [issue.component for issue in seen.issues] == ["podman"]
