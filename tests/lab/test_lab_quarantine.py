"""A digest that was taken back is not tried again by anybody until it is released, and its story is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from labkit.daemon import SECRET, Daemon
from labkit.images import Build, push
from labkit.services import Service, launch, running_image_id, systemctl, wait_for_version
from labkit.webhooks import deliver, package_event, send

Make = Callable[..., Service]
REFUSED = 3  # the exit code of what a rule refuses


def state(service: Service) -> tuple[str, str]:
    return running_image_id(service), systemctl("show", "--property=InvocationID", service.unit)


@pytest.mark.parametrize("daemon", [{"PODUP_SCHEDULER_MODE": "services"}], indirect=True)
def test_nobody_tries_it_again_until_it_is_released(daemon: Daemon, new_service: Make) -> None:
    web = launch(new_service())
    # of this test alone: what the host has already is not pulled
    digest = push(Build("v2-told", "exits"), web.image)
    daemon.look_again()
    event = package_event(web.image, digest)

    task_id = send(daemon.url, deliver(web.unit, event, SECRET)).body["task_id"]
    task = daemon.wait_for_task(task_id)
    assert task["status"] == "rolled_back", task
    assert_told(task, web)
    wait_for_version(web, "v1")
    before = state(web)

    by_webhook = send(daemon.url, deliver(web.unit, event, SECRET))
    assert (by_webhook.status, by_webhook.body["status"]) == (202, "skipped"), by_webhook
    by_api = daemon.api(f"/api/manual/services/{web.name}", {})
    assert ended(daemon, by_api.body) == ("skipped", "quarantined"), by_api
    of_all = daemon.api("/api/manual/deploy", {"units": [web.unit]})
    assert ended(daemon, of_all.body) == ("skipped", "quarantined"), of_all
    by_command = daemon.command("deploy", web.name)
    assert by_command.returncode == REFUSED, by_command
    assert f"quarantine release {digest[:19]}" in by_command.stdout + by_command.stderr, by_command
    by_tick = daemon.command("scheduler", "--max-iterations", "1")
    assert "quarantined" in by_tick.stdout, by_tick
    assert state(web) == before

    released = daemon.command("quarantine", "release", digest)
    assert released.returncode == 0, released
    again = daemon.command("deploy", web.name)
    assert again.returncode == 4, again
    wait_for_version(web, "v1")


def ended(daemon: Daemon, answer: dict[str, Any]) -> tuple[str, str]:
    """Status and code of what an answer led to."""
    task = daemon.wait_for_task(answer["task_id"])
    return task["status"], task["code"]


def assert_told(task: dict[str, Any], web: Service) -> None:
    """Every step is in the log with its command and what that printed, and so is why it was taken back."""
    commands = [line["meta"] for line in task["logs"] if line["meta"].get("type") == "command"]
    told = [" ".join(meta["argv"]) for meta in commands]
    for part in (f"podman pull {web.image.partition(':latest')[0]}@sha256:", f"restart -- {web.unit}"):
        assert any(part in line for line in told), told
    assert sum(f"restart -- {web.unit}" in line for line in told) == 2, "there and back"
    assert all({"exit", "stdout", "stderr", "duration_ms"} <= set(meta) for meta in commands)
    assert any("cannot start" in str(line) for line in task["logs"]), "what the program said is there"
    assert "ended and was restarted" in task["summary"]
    assert task["summary"].endswith("; taken back")
