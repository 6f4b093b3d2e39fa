"""kill -9 of the daemon, and of a task's process at each of its steps: the service ends on a known digest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from labkit.commands import eventually, run
from labkit.daemon import SECRET, Daemon
from labkit.images import Build, push
from labkit.services import Service, running_image_id, served_version, systemctl
from labkit.webhooks import deliver, package_event, send

ENDED = ("succeeded", "rolled_back", "failed", "interrupted", "cancelled", "skipped", "unknown")


def begin(daemon: Daemon, service: Service, build: Build) -> str:
    digest = push(build, service.image)
    answer = send(daemon.url, deliver(service.unit, package_event(service.image, digest), SECRET))
    assert answer.status == 202, answer
    return str(answer.body["task_id"])


def records(daemon: Daemon, task_id: str) -> list[dict[str, object]]:
    journal = daemon.state / "tasks" / f"{task_id}.jsonl"
    if not journal.exists():
        return []
    whole = journal.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def kill_task(task_id: str) -> None:
    systemctl("kill", "--signal=KILL", f"podup-task-{task_id}.service", check=False)


@pytest.mark.parametrize(
    ("behaviour", "ends", "serves"), [("good", "succeeded", "v2"), ("exits", "rolled_back", "v1")]
)
def test_a_task_goes_on_while_the_daemon_is_killed_at_each_step(
    web: Service, daemon: Daemon, behaviour: str, ends: str, serves: str
) -> None:
    task_id = begin(daemon, web, Build("v2", behaviour))
    eventually("the task has begun", lambda: records(daemon, task_id))
    kills = 0
    while is_running(task_id):
        daemon.kill()
        kills += 1
        eventually("one of both is there", lambda: daemon.is_healthy() or not is_running(task_id))
    eventually("the daemon is back", daemon.is_healthy)
    assert kills >= 2
    assert daemon.wait_for_task(task_id)["status"] == ends
    eventually("the service serves", lambda: served_version(web) == serves)


def test_an_accepted_push_survives_a_kill(web: Service, daemon: Daemon) -> None:
    task_id = begin(daemon, web, Build("v2"))
    daemon.kill()
    eventually("the daemon is back", daemon.is_healthy)
    assert daemon.wait_for_task(task_id)["status"] == "succeeded"
    assert served_version(web) == "v2"


@pytest.mark.parametrize("after_records", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("behaviour", ["good", "exits"])
def test_a_killed_task_leaves_a_known_digest(
    web: Service, daemon: Daemon, after_records: int, behaviour: str
) -> None:
    before = running_image_id(web)
    task_id = begin(daemon, web, Build("v2", behaviour))
    eventually(
        "the task is that far, or over",
        lambda: len(records(daemon, task_id)) >= after_records or not is_running(task_id),
    )
    kill_task(task_id)
    task = daemon.wait_for_task(task_id)
    assert task["status"] in ENDED, task
    eventually("the service serves again", lambda: served_version(web) in ("v1", "v2"))
    if behaviour == "exits":
        assert served_version(web) == "v1"
        assert running_image_id(web) == before
    eventually("no task's process and no temporary file is left", lambda: not leftovers(daemon.state))


def is_running(task_id: str) -> bool:
    return systemctl("is-active", f"podup-task-{task_id}.service", check=False) in ("active", "activating")


def leftovers(state: Path) -> str:
    """Units of tasks that still run, and temporary files."""
    units = run("systemctl", "--user", "list-units", "--no-legend", "--plain", "podup-task-*", check=False)
    files = [str(path) for path in state.rglob("*.tmp*")]
    return units + " ".join(files)
