"""Where systemd is not: what `Systemd` makes of a bus that cannot be reached."""

import pytest

from podup.errors import PodupError, Unavailable
from podup.host.run import Command, Completed
from podup.host.systemd import Systemd


class NoBus:
    """A machine whose user has no manager."""

    def run(self, command: Command) -> Completed:
        return Completed(command, 1, "", "Failed to connect to bus: No medium found\n", 1)


class NoSystemd:
    """A machine without systemd."""

    def run(self, command: Command) -> Completed:
        return Completed(command, 127, "", "systemctl: [Errno 2] No such file or directory", 1)


@pytest.mark.parametrize("machine", [NoBus(), NoSystemd()])
def test_there_is_no_manager(machine) -> None:
    systemd = Systemd(machine)
    assert systemd.overall() == "offline"
    with pytest.raises(PodupError):
        systemd.show("web.service")
    with pytest.raises(PodupError):
        systemd.restart("web.service")


def test_a_missing_bus_has_its_code_and_hint() -> None:
    with pytest.raises(Unavailable) as missing:
        Systemd(NoBus()).show("web.service")
    assert missing.value.code == "systemd-unavailable"
    assert "enable-linger" in missing.value.hint


STATUS = """\
x web.service - Podman container-web.service
     Active: failed (Result: exit-code) since Sun 2026-11-22 02:06:53 UTC; 396ms ago
    Process: 2325 ExecStart=/usr/bin/podman run --env PASSWORD=hunter2 web (code=exited, status=125)
   Main PID: 2383 (podman)
     CGroup: /user.slice/user-2000.slice/user@2000.service/app.slice/web.service
             ├─2383 /usr/bin/podman run --env PASSWORD=hunter2 web
             └─2393 /usr/bin/conmon -n web
"""


class Tells:
    """A machine whose `systemctl status` says `STATUS`."""

    def run(self, command: Command) -> Completed:
        return Completed(command, 3, STATUS, "", 1)


def test_a_status_holds_no_command_lines() -> None:
    said = Systemd(Tells()).status("web.service").splitlines()
    assert said[2].strip() == "Process: 2325 ExecStart=/usr/bin/podman ... (code=exited, status=125)"
    assert said[3].strip() == "Main PID: 2383 (podman)"
    assert len(said) == 4


class SlowStop:
    """A unit whose process takes 12 seconds to stop, after `rest_s` of rest, and `start_s` to start."""

    def __init__(self, *, start_s: float, rest_s: float = 0.1) -> None:
        self.start_s, self.rest_s = start_s, rest_s
        self.waits: list[tuple[str, float]] = []

    def run(self, command: Command) -> Completed:
        now_s = sum(seconds for _, seconds in self.waits)
        if command.argv[2] == "show":
            at = {"ActiveExit": 100.0, "InactiveEnter": 112.0, "InactiveExit": 112.0 + self.rest_s}
            lines = [f"{name}TimestampMonotonic={int(moment * 1e6)}" for name, moment in at.items()]
            state = "deactivating" if now_s < 12 else "activating"
            return Completed(command, 0, "\n".join(["Id=web.service", f"ActiveState={state}", *lines]), "", 1)
        self.waits.append((command.argv[2], round(command.timeout_s, 3)))
        return Completed(command, 124 if now_s + command.timeout_s < 12 + self.start_s else 0, "", "", 1)


class Failing:
    """systemctl says why a job failed, and then where to look."""

    def run(self, command: Command) -> Completed:
        why = "Job for web.service failed because the control process exited with error code."
        where = 'See "systemctl --user status web.service" for details.'
        return Completed(command, 1, "", f"{why}\n{where}\n", 1)


def test_a_failed_job_is_told_by_its_reason() -> None:
    with pytest.raises(PodupError) as failed:
        Systemd(Failing()).restart("web.service")
    assert failed.value.message.endswith("failed because the control process exited with error code.")


def test_a_slow_stop_is_no_part_of_the_time_a_start_has() -> None:
    machine = SlowStop(start_s=4.9)
    Systemd(machine).restart("web.service", timeout_s=5)
    assert machine.waits == [("restart", 5), ("start", 5), ("start", 5), ("start", 2)]


@pytest.mark.parametrize(("timeout_s", "waited_s"), [(5, 17), (11, 23), (20, 32)])
def test_a_start_that_is_too_slow_has_had_its_whole_time(timeout_s: float, waited_s: float) -> None:
    machine = SlowStop(start_s=1000)
    with pytest.raises(PodupError) as late:
        Systemd(machine).restart("web.service", timeout_s=timeout_s)
    assert late.value.code == "unit-restart-failed"
    assert sum(seconds for _, seconds in machine.waits) == waited_s


def test_a_stop_of_long_ago_gives_a_start_no_more_time() -> None:
    machine = SlowStop(start_s=1000, rest_s=3600)
    with pytest.raises(PodupError):
        Systemd(machine).restart("web.service", timeout_s=20)
    assert machine.waits == [("restart", 20)]
