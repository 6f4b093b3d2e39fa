"""Ticks on a real host: what nobody told of is found in the registry, and podman's own updater is watched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from labkit.commands import eventually
from labkit.daemon import Daemon
from labkit.images import Build, push
from labkit.services import Service, launch, served_version, systemctl, units_directory

Make = Callable[..., Service]
UPDATER = "lab-auto-update.service"


@pytest.mark.parametrize("daemon", [{"PODUP_SCHEDULER_MODE": "services"}], indirect=True)
def test_the_command_has_the_daemon_deploy_what_is_new(daemon: Daemon, new_service: Make) -> None:
    web, other = launch(new_service()), launch(new_service())
    daemon.look_again()
    push(Build("v2"), web.image)
    done = daemon.command("scheduler", "--max-iterations", "1")
    assert done.returncode == 0, done.stderr
    assert web.unit in done.stdout
    assert daemon.wait_for_task(daemon.newest_task(web.unit))["status"] == "succeeded"
    assert (served_version(web), served_version(other)) == ("v2", "v1")
    assert daemon.newest_task(other.unit) == ""
    (tick,) = daemon.api("/api/events?action=tick").body["events"]
    assert tick["meta"]["started"][0]["unit"] == web.unit


@pytest.mark.parametrize("daemon", [{"PODUP_SCHEDULER_MODE": "services"}], indirect=True)
def test_the_command_works_alone_and_a_bad_image_is_not_tried_twice(
    daemon: Daemon, new_service: Make
) -> None:
    web = launch(new_service())
    daemon.stop()
    push(Build("v2", "exits"), web.image)
    first = daemon.command("scheduler", "--max-iterations", "1")
    assert first.returncode == 0, first.stderr
    assert served_version(web) == "v1"
    again = daemon.command("scheduler", "--max-iterations", "1")
    assert "quarantined" in again.stdout, again.stdout + again.stderr


@pytest.mark.parametrize(
    "daemon",
    [
        {
            "PODUP_SCHEDULER_MODE": "services",
            "PODUP_SCHEDULER_ENABLED": "1",
            "PODUP_SCHEDULER_INTERVAL_SECS": "2",
        }
    ],
    indirect=True,
)
def test_the_daemon_looks_by_itself(daemon: Daemon, new_service: Make) -> None:
    web = launch(new_service())
    push(Build("v2"), web.image)
    daemon.look_again()


    task_id = eventually("a tick deploys it", lambda: daemon.newest_task(web.unit), timeout_s=30)
    assert daemon.wait_for_task(task_id)["trigger"]["source"] == "scheduler"
    assert served_version(web) == "v2"


@pytest.mark.parametrize(
    ("daemon", "command", "status"),
    [
        ({"PODUP_MANUAL_AUTO_UPDATE_UNIT": UPDATER}, "/usr/bin/podman auto-update", "succeeded"),
        ({"PODUP_MANUAL_AUTO_UPDATE_UNIT": UPDATER}, "/bin/false", "failed"),
    ],
    indirect=["daemon"],
)
def test_the_auto_update_unit_is_watched_to_its_end(
    daemon: Daemon, new_service: Make, command: str, status: str
) -> None:
    web = launch(new_service())
    push(Build("v2"), web.image)
    path = units_directory() / UPDATER
    path.write_text(f"[Service]\nType=oneshot\nExecStart=/bin/echo looking around\nExecStart={command}\n")
    systemctl("daemon-reload")
    try:
        done = daemon.command("scheduler", "--max-iterations", "1")
        assert done.returncode == 0, done.stderr
        task = daemon.wait_for_task(daemon.newest_task(UPDATER), timeout_s=90)
        assert task["status"] == status, task
        assert any("looking around" in line["summary"] for line in task["logs"]), task["logs"]
        assert served_version(web) == ("v2" if status == "succeeded" else "v1")
    finally:
        Path(path).unlink()
        systemctl("reset-failed", UPDATER, check=False)
        systemctl("daemon-reload")
