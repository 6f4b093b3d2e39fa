"""The auto-update unit on a simulated host: watched to its end, with what it and its wrapper said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simulated_host import IMAGE, WEB, Host

from podup.core.states import Status, Trigger
from podup.engine.snapshot import TaskFiles
from podup.files import read_journal
from podup.host.simulator.parts import Fault
from podup.store import digests
from podup.store.tasks import Task

NewHost = Callable[..., Host]
UNIT = "podman-auto-update.service"


def run(host: Host, *, dry_run: bool = False) -> Task:
    with host.store.write() as cx:
        intent = host.built.engine.catalogue.auto_update(dry_run=dry_run)
        task = host.built.engine.intake.submit(cx, intent, Trigger("api"))
    host.settle()
    return host.task(task.id)


def hints(host: Host, task_id: str) -> list[str]:
    records, _ = read_journal(TaskFiles(host.state, task_id).journal)
    return [record["hint"] for record in records if record.get("hint")]


def test_what_its_journal_says_is_on_the_timeline(host: Host) -> None:
    host.machine.push(IMAGE, "v2")
    task = run(host)
    assert (task.status, task.summary) == (
        Status.SUCCEEDED,
        f"{UNIT} ran to its end; how the services do was not looked at",
    )
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
    (logs / "latest.jsonl").symlink_to("rotated-away.jsonl")
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


def with_quarantine(host: Host) -> str:
    """Let a broken push be taken back; the digest that is quarantined for it."""
    host.machine.push(IMAGE, "v2", "exits")
    assert host.deploy().status is Status.ROLLED_BACK
    with host.store.read() as cx:
        return digests.quarantined(cx, target=WEB)[0].digest


def test_podman_does_not_bring_back_what_is_quarantined_whoever_asks(host: Host) -> None:
    digest = with_quarantine(host)
    task = run(host)
    assert (task.status, task.code) == (Status.SKIPPED, "quarantined")
    assert task.summary == "it would deploy what is quarantined for web.service"
    assert any(f"quarantine release {digest}" in line for line in hints(host, task.id))
    assert host.version() == "v1"


def test_a_dry_run_says_that_it_would_be_refused(host: Host) -> None:
    with_quarantine(host)
    assert run(host, dry_run=True).code == "quarantined"


def test_what_an_operator_released_podman_may_have(host: Host) -> None:
    digest = with_quarantine(host)
    with host.store.write() as cx:
        assert digests.release(cx, target=WEB, digest=digest, by="me", now_s=host.clock.now())
    assert run(host).status is not Status.SKIPPED


def test_a_tag_that_moved_on_is_free_although_nobody_looked_since(host: Host) -> None:
    with_quarantine(host)
    host.machine.push(IMAGE, "v3")
    assert run(host).status is Status.SUCCEEDED
    assert host.version() == "v3"


def test_where_the_registry_does_not_answer_nothing_is_risked(host: Host) -> None:
    with_quarantine(host)
    host.machine.fault(Fault("podman auto-update --dry-run"))
    with host.machine.open() as machine:
        machine.registry = "gone"
    task = run(host)
    assert (task.status, task.code) == (Status.FAILED, "quarantine-unknown")
    assert host.version() == "v1"


def test_a_unit_that_cannot_be_started_fails_the_task(host: Host) -> None:
    host.machine.fault(Fault("systemctl --user start"))
    assert run(host).status is Status.FAILED


def test_a_dry_run_asks_podman_and_starts_nothing(host: Host) -> None:
    host.machine.push(IMAGE, "v2")
    task = run(host, dry_run=True)
    assert task.status is Status.PLANNED
    assert any("web.service" in line for line in host.log(task.id))
    assert host.version() == "v1"
