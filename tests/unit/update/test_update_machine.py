"""What the real machine's answers are read as; the commands themselves are proven in the lab."""

import json
import os

import pytest

from podup.core.host_faults import Blame
from podup.errors import PodupError
from podup.files import FileLock
from podup.host.run import Completed
from podup.host.simulator.clock import ManualClock
from podup.host.systemd import Systemd
from podup.update.machine import (
    HealthProber,
    SupervisedService,
    SystemdService,
    dry_start,
    dry_start_s,
    read_health,
    signature_check,
)
from podup.update.trial import Wanted, read

HEALTH = {"version": "1.1.0", "db": "ok", "issues": [], "update": {"txid": "tx", "beats": True}}


class OneAnswer:
    """A runner that answers every command with one result and remembers it."""

    def __init__(self, exit: int, stdout: str = "", stderr: str = "") -> None:
        self.answer = (exit, stdout, stderr)
        self.asked: list[tuple[str, ...]] = []
        self.limits: list[float] = []

    def run(self, command):
        self.asked.append(command.argv)
        self.limits.append(command.timeout_s)
        return Completed(command, *self.answer, 1)


def test_health_is_read():
    issue = {"component": "podman", "message": "gone"}
    answer = read_health("port", {**HEALTH, "issues": [issue, "odd"]})
    assert (answer.version, answer.txid, answer.issues, answer.has_database) == (
        "1.1.0",
        "tx",
        {"podman"},
        True,
    )


@pytest.mark.parametrize("body", [None, [], "ok", {}, {"version": 3}])
def test_what_is_no_health_is_an_error(body):
    assert read_health("port", body).error


def test_odd_health_is_not_well():
    answer = read_health("port", {"version": "1.1.0", "issues": 7, "update": [], "db": "failed"})
    assert (answer.has_database, answer.txid) == (False, "")
    assert not read_health("port", {**HEALTH, "update": {"beats": False}}).beats


def test_a_door_that_raises_is_an_answer():
    def closed():
        raise PodupError("unreachable", "nobody is there")

    [port, socket] = HealthProber({"port": lambda: HEALTH, "socket": closed}).ask()
    assert (port.error, socket.error) == ("", "nobody is there")


DRY_STARTS = [
    (0, json.dumps({"version": "1.1.0", "schema": 3}), "", ""),
    (0, "noise\n" + json.dumps({"version": "1.1.0", "schema": 3}), "", ""),
    (1, json.dumps({"version": "1.1.0", "schema": 3}), "broken\n", "broken"),
    (3, json.dumps({"version": "1.1.0", "schema": 3}), "", "ended with 3"),
    (0, "", "", "said nothing"),
    (10, "", "", "ended with 10"),
    (1, "", "Traceback\nImportError: no module", "ImportError: no module"),
    (0, "[]", "", "said nothing"),
    (0, "{}", "", "said nothing"),
]


THE_MACHINES_FAULT = [
    (75, "", "error: this machine fails: database or disk is full\nhint: mend it"),
    (-9, "", ""),
    (127, "", "python3: [Errno 12] Cannot allocate memory"),
    (1, "", "Traceback\nOSError: [Errno 28] No space left on device: '/x'"),
    (1, "", "Traceback\nMemoryError"),
    (75, json.dumps({"version": "1.1.0", "schema": 3}), ""),
]


@pytest.mark.parametrize(("exit", "stdout", "stderr"), THE_MACHINES_FAULT)
def test_a_dry_start_the_machine_failed(tmp_path, exit, stdout, stderr):
    seen = dry_start(OneAnswer(exit, stdout, stderr), "python3", tmp_path / "new", tmp_path / "copy.db")
    assert seen.problem.blame is Blame.WORLD


@pytest.mark.parametrize(("exit", "stdout", "stderr", "problem"), DRY_STARTS)
def test_dry_starts(tmp_path, exit, stdout, stderr, problem):
    seen = dry_start(OneAnswer(exit, stdout, stderr), "python3", tmp_path / "new", tmp_path / "copy.db")
    if problem:
        assert problem in seen.problem.says and seen.problem.blame is Blame.PROGRAM
    else:
        assert seen.problem is None
        assert (seen.version, seen.schema) == ("1.1.0", 3)


@pytest.mark.parametrize(
    ("trial_s", "patience", "limit_s"), [(12, 1, 12), (60, 1, 60), (120, 1, 60), (120, 4, 240)]
)
def test_a_dry_start_has_as_long_as_a_trial_and_at_most_a_minute(trial_s, patience, limit_s):
    assert dry_start_s(trial_s, patience) == limit_s


def test_a_dry_start_that_is_not_done_in_time_is_nobodys_fault_for_certain(tmp_path):
    """The program may hang, or the machine may have much else to do: it has longer the next time."""
    runner = OneAnswer(124, stderr="stopped after 24 s")
    seen = dry_start(runner, "python3", tmp_path / "new", None, within_s=24)
    assert (seen.problem.blame, seen.problem.says) == (Blame.UNCLEAR, "it did not end within 24 s")
    assert runner.limits == [24]


def test_a_signature_is_mandatory_once_signers_are_set(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"x")
    good, bad = OneAnswer(0), OneAnswer(255, stderr="Could not verify signature.")
    signature_check(good, tmp_path / "signers", tmp_path / "scratch")(program, b"sig")
    assert good.asked[0][:3] == ("ssh-keygen", "-Y", "verify")
    for runner in (bad, OneAnswer(127, stderr="ssh-keygen: not found")):
        with pytest.raises(PodupError, match="the signature is not good"):
            signature_check(runner, tmp_path / "signers", tmp_path / "scratch")(program, b"sig")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_unit_that_ended_says_how_and_where_its_log_is():
    shown = "Id=x.service\nLoadState=loaded\nActiveState=activating\nNRestarts=1\nResult=exit-code\n"
    runner = OneAnswer(0, f"{shown}ExecMainCode=1\nExecMainStatus=203\n")
    for user, option in ((True, "--user"), (False, "--system")):
        service = SystemdService(Systemd(runner, user=user), "x.service")
        seen = service.look()
        assert (seen.restarts, seen.is_coming, seen.ended) == (1, True, "exit-code, exit 203")
        assert service.log_since(1700000000) == f"journalctl {option} -u x.service --since @1700000000"
    said = read(Wanted("1.1.0", "tx"), seen, ()).reason
    assert said == "the service ended by itself (exit-code, exit 203) and was restarted"


def test_a_supervised_service_is_known_by_its_lock(tmp_path):
    clock = ManualClock()
    service = SupervisedService(OneAnswer(0), clock, tmp_path / "daemon.lock", tmp_path / "supervised.pid")
    assert (service.look().is_active, service.look().is_coming) == (False, True), "layer 1 starts it again"
    service.stop()
    with FileLock(tmp_path / "daemon.lock", what="http-server"):
        assert service.look().is_active and service.look().restarts == 0
        with pytest.raises(PodupError, match="does not stop"):
            service.stop()


def test_only_what_layer_1_started_is_stopped(tmp_path):
    started = tmp_path / "supervised.pid"
    service = SupervisedService(OneAnswer(0), ManualClock(), tmp_path / "daemon.lock", started)
    started.write_text(f"{os.getpid()}\n")
    service.stop()  # the number is another's by now
