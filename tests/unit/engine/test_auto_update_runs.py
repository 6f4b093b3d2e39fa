"""The auto-update unit on a simulated host: watched to its end, with what it and its wrapper said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simulated_host import IMAGE, Host

from podup.core.states import Status, Trigger
from podup.host.simulator.parts import Fault
from podup.store.tasks import Task

NewHost = Callable[..., Host]
UNIT = "podman-auto-update.service"


def run(host: Host, *, dry_run: bool = False) -> Task:
    with host.store.write() as cx:
        intent = host.built.engine.catalogue.auto_update(dry_run=dry_run)
        task = host.built.engine.intake.submit(cx, intent, Trigger("api"))
    host.settle()
    return host.task(task.id)


def test_what_its_journal_says_is_on_the_timeline(host: Host) -> None:
    host.machine.push(IMAGE, "v2")
    task = run(host)
    assert task.status is Status.SUCCEEDED
    assert host.version() == "v2"
    said = [line for line in host.log(task.id) if line.startswith("journal: ")]
    assert f"journal: systemd: Starting {UNIT}..." in said
    assert len(said) == len(set(said))


def test_lines_of_an_earlier_run_are_not_told_again(host: Host) -> None:
    run(host)
    host.clock.sleep(60)
    said = [line for line in host.log(run(host).id) if "Starting" in line and line.startswith("journal")]
    assert len(said) == 1


def test_its_wrappers_log_is_read_from_where_it_ended(new_host: NewHost, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "old.jsonl").write_text('{"message": "from an earlier run"}\n')
    host = new_host(PODUP_AUTO_UPDATE_LOG_DIR=str(logs))

    sleeping = host.clock.sleep

    def sleep(seconds: float) -> None:
        """While the task waits the wrapper writes; its last line is not finished yet."""
        if seconds >= 2 and not (logs / "run.jsonl").exists():
            with (logs / "old.jsonl").open("a") as file:
                file.write('{"message": "updated", "unit": "web.service", "new": {"x": 1}}\n')
            (logs / "run.jsonl").write_text('{"type": "summary", "status": "failed"}\nnot json\n{"torn": ')
        sleeping(seconds)

    host.clock.sleep = sleep
    task = run(host)
    said = [line for line in host.log(task.id) if line.startswith("log: ")]
    assert said[:2] == ["log: updated: unit web.service", "log: summary: status failed"]
    assert "log: not json" in said
    assert not [line for line in said if "earlier" in line or "torn" in line]


def test_a_unit_that_cannot_be_started_fails_the_task(host: Host) -> None:
    host.machine.fault(Fault("systemctl --user start"))
    assert run(host).status is Status.FAILED


def test_a_dry_run_asks_podman_and_starts_nothing(host: Host) -> None:
    host.machine.push(IMAGE, "v2")
    task = run(host, dry_run=True)
    assert task.status is Status.PLANNED
    assert any("web.service" in line for line in host.log(task.id))
    assert host.version() == "v1"
