"""The lab is what it says: a real host. If these fail, no other lab test means anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from host.containers import free_port
from labkit.commands import eventually, run
from labkit.images import Build, push, push_index
from labkit.registries import PASSWORD, USER, private_registry
from labkit.services import (
    Service,
    image_id,
    is_active,
    journal,
    launch,
    remove,
    running_image_id,
    start,
    systemctl,
    wait_for_version,
    write_quadlet,
)

Make = Callable[..., Service]


def test_a_user_with_a_systemd_of_its_own() -> None:
    assert os.getuid() >= 1000
    assert systemctl("is-active", "default.target") == "active"
    assert run("systemd-run", "--user", "--wait", "--quiet", "--pipe", "echo", "hello") == "hello"


def test_podman_is_rootless() -> None:
    assert run("podman", "info", "--format", "{{.Host.Security.Rootless}}") == "true"


def test_a_unit_serves_what_was_pushed_and_logs_to_the_users_journal(new_service: Make) -> None:
    web = launch(new_service())
    assert "starting v1" in journal(web.unit)


def test_auto_update_brings_a_new_version(new_service: Make) -> None:
    web = launch(new_service())
    push(Build("v2"), web.image)
    assert "true" in run("podman", "auto-update", "--format", "{{.Updated}}").split()
    wait_for_version(web, "v2")


def test_auto_update_calls_it_done_when_the_service_is_gone(new_service: Make) -> None:
    """The gap this product closes: the image exits at once, Podman says it updated, nothing serves."""
    web = launch(new_service())
    push(Build("v2", "exits"), web.image)
    said = run("podman", "auto-update", "--format", "{{.Unit}} {{.Updated}}")
    assert f"{web.unit} true" in said.splitlines()
    eventually("the service is gone", lambda: not is_active(web.unit))


def test_pull_by_digest_and_tag_gives_the_unit_the_new_image(new_service: Make) -> None:
    web = launch(new_service())
    digest = push(Build("v2"), web.image)
    repository = web.image.removesuffix(":latest")
    run("podman", "pull", "--quiet", f"{repository}@{digest}")
    run("podman", "tag", f"{repository}@{digest}", web.image)
    systemctl("restart", web.unit)
    wait_for_version(web, "v2")
    assert running_image_id(web) == image_id(web.image)
    kept = run("podman", "image", "inspect", "--format", "{{.RepoDigests}}", web.image)
    assert f"{repository}@{digest}" in kept


def test_an_index_has_another_digest_than_its_platform(registry: str) -> None:
    image = f"{registry}/acme/many:latest"
    index, manifest = push_index(Build("v1"), image)
    assert index != manifest
    run("podman", "pull", "--quiet", f"{image.removesuffix(':latest')}@{index}")


def test_a_healthcheck_is_run_by_the_users_timers(new_service: Make) -> None:
    web = new_service()
    push(Build("v1", "unhealthy"), web.image)
    start(web)
    health = ("podman", "container", "inspect", "--format", "{{.State.Health.Status}}", web.name)
    eventually("the container is unhealthy", lambda: run(*health) == "unhealthy")


def test_a_registry_with_a_login() -> None:
    with private_registry() as address:
        image = f"{address}/acme/secret:latest"
        login = ("podman", "login", "--username", USER, "--password", PASSWORD, address)
        run(*login)
        push(Build("v1"), image)
        run("podman", "logout", address)
        assert run("podman", "pull", "--quiet", image, check=False) == ""
        run(*login)
        run("podman", "pull", "--quiet", image)
        run("podman", "logout", address)


def test_a_quadlet_source_file_becomes_a_service(registry: str) -> None:
    quad = Service("quad", f"{registry}/acme/quad:latest", free_port())
    push(Build("v1"), quad.image)
    source = write_quadlet(quad)
    try:
        start(quad, serves="v1")
        assert source == Path.home() / ".config/containers/systemd/quad.container"
    finally:
        remove(quad)
