"""The program's commands on a real host: looking, deploying, going back; and what a dry run leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable

from labkit.commands import run
from labkit.daemon import SECRET, Daemon
from labkit.images import Build, push, push_index
from labkit.registries import PASSWORD, USER, private_registry
from labkit.services import (
    Service,
    launch,
    running_image_id,
    served_version,
    systemctl,
    wait_for_version,
)
from labkit.webhooks import deliver, package_event, send

Make = Callable[..., Service]


def test_services_are_found_and_shown(web: Service, daemon: Daemon) -> None:
    done = daemon.command("services", "--json")
    assert done.returncode == 0, done
    assert web.unit in done.stdout
    assert web.image in done.stdout
    json.loads(done.stdout)


def test_deploy_takes_what_was_pushed(web: Service, daemon: Daemon) -> None:
    push(Build("v2"), web.image)
    done = daemon.command("deploy", web.name)
    assert done.returncode == 0, done
    assert served_version(web) == "v2"


def test_deploy_says_when_there_is_nothing_new(web: Service, daemon: Daemon) -> None:
    before = systemctl("show", "--property=InvocationID", web.unit)
    done = daemon.command("deploy", web.name)
    assert "up to date" in done.stdout + done.stderr or "already runs" in done.stdout + done.stderr, done
    assert systemctl("show", "--property=InvocationID", web.unit) == before


def test_deploy_of_a_broken_image_exits_with_4(web: Service, daemon: Daemon) -> None:
    push(Build("v2", "exits"), web.image)
    done = daemon.command("deploy", web.name)
    assert done.returncode == 4, done
    wait_for_version(web, "v1")


def test_rollback_goes_back_to_the_image_before(web: Service, daemon: Daemon) -> None:
    push(Build("v2"), web.image)
    assert daemon.command("deploy", web.name).returncode == 0
    done = daemon.command("rollback", web.name)
    assert done.returncode == 0, done
    wait_for_version(web, "v1")


def test_a_dry_run_changes_nothing(web: Service, daemon: Daemon) -> None:
    push(Build("v2"), web.image)
    before = host_state(web)
    for command in (("trigger-units", web.unit, "--dry-run"), ("trigger-all", "--dry-run")):
        done = daemon.command(*command)
        assert done.returncode == 0, done
    answer = daemon.api("/api/manual/deploy", {"units": [web.unit], "dry_run": True})
    assert answer.status in (200, 202), answer
    daemon.wait_for_task(answer.body["task_id"])
    assert host_state(web) == before


def host_state(service: Service) -> tuple[str, ...]:
    """What a mutation would change: images, the container, the unit's start."""
    return (
        run("podman", "images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}} {{.Digest}}"),
        run("podman", "ps", "--no-trunc", "--quiet"),
        systemctl("show", "--property=InvocationID,NRestarts", service.unit),
    )


def test_a_push_of_several_platforms_goes_live(web: Service, daemon: Daemon) -> None:
    index, _ = push_index(Build("v2"), web.image)
    answer = send(daemon.url, deliver(web.unit, package_event(web.image, index), SECRET))
    task = daemon.wait_for_task(answer.body["task_id"])
    assert task["status"] == "succeeded", task
    assert served_version(web) == "v2"


def test_a_registry_with_a_login_is_asked_with_podmans_credentials(
    daemon: Daemon, new_service: Make
) -> None:
    with private_registry() as address:
        service = new_service(name="secret", at=address)
        run("podman", "login", "--username", USER, "--password", PASSWORD, address)
        launch(service)
        daemon.look_again()
        push(Build("v2"), service.image)
        assert daemon.command("deploy", service.name).returncode == 0
        assert served_version(service) == "v2"

        push(Build("v3"), service.image)
        run("podman", "logout", address)
        before = running_image_id(service)
        done = daemon.command("deploy", service.name)
        assert done.returncode == 1, done
        assert "401" in done.stdout + done.stderr
        assert running_image_id(service) == before
        assert PASSWORD not in done.stdout + done.stderr + daemon.journal()


def test_a_registry_that_is_gone_fails_the_task_and_nothing_else(
    daemon: Daemon, new_service: Make
) -> None:
    with private_registry() as address:
        service = new_service(name="orphan", at=address)
        run("podman", "login", "--username", USER, "--password", PASSWORD, address)
        launch(service)
        daemon.look_again()
    done = daemon.command("deploy", service.name)
    assert done.returncode == 1, done
    assert served_version(service) == "v1"
