"""Deployments of a stack that are killed, stopped, or fall after they were called good: on one host, in turn.

After each the stack runs the old version again, its `.env` is byte for byte what it was, and no row is lost.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from labkit.commands import eventually, run
from labkit.hostile_registry import TORN_BLOBS, hostile_registry
from labkit.postgres import programs_directory
from labkit.services import systemctl
from labkit.stack_site import NEW, OLD, Site, is_as_before, site_running

pytestmark = pytest.mark.skipif(programs_directory() is None, reason="no PostgreSQL server is installed")
LONG_S = 120.0
UNMOUNT = "grep -o '/[^ ]*/userdata/shm' /proc/mounts | while read -r at; do umount -l \"$at\"; done"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Site]:
    with site_running(tmp_path_factory.mktemp("site"), registry, with_staging=False) as running:
        yield running


@pytest.fixture
def env(site: Site) -> bytes:
    found = site.prod.env_file.read_bytes()
    assert OLD.encode() in found and is_as_before(site.prod, found)
    return found


def cut_the_power(site: Site, task_id: str) -> None:
    """Kill the daemon, the task, what starts the containers, and these; podman takes it for a reboot.

    A reboot leaves no mounts; here what the containers had mounted has to go.
    """
    pids = "{{.State.ConmonPid}} {{.State.Pid}}"
    containers = run("podman", "ps", "--quiet", "--filter=name=odoo18-prod").split()
    processes = run("podman", "inspect", f"--format={pids}", *containers).split() if containers else []
    listed = systemctl("list-units", "--type=scope", "--plain", "--no-legend", check=False).splitlines()
    scopes = [line.split()[0] for line in listed if line.endswith("podup stack odoo18-prod")]
    for unit in (f"podup-task-{task_id}.service", "pod-upgrade-trigger-http.service", *scopes):
        systemctl("kill", "--signal=KILL", unit, check=False)
    for pid in processes:
        if int(pid):
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    run("podman", "unshare", "sh", "-c", UNMOUNT)
    Path(os.environ["XDG_RUNTIME_DIR"], "libpod/tmp/alive").unlink()


@pytest.mark.parametrize("step", ["pull ", "let odoo18-prod run"])
def test_a_killed_task_is_taken_back(site: Site, env: bytes, step: str) -> None:
    task_id = site.begin(NEW)
    eventually("the step has begun", lambda: site.has_begun(task_id, step), timeout_s=LONG_S)
    systemctl("kill", "--signal=KILL", f"podup-task-{task_id}.service", check=False)
    task = site.daemon.wait_for_task(task_id, timeout_s=LONG_S)
    assert task["status"] == "interrupted", task
    eventually("the old version serves", lambda: is_as_before(site.prod, env))


def test_after_a_power_cut_in_the_middle_the_old_version_runs(site: Site, env: bytes) -> None:
    task_id = site.begin(NEW)
    started = "the new version serves, and is not called good yet"
    eventually(started, lambda: site.prod.serves() == NEW, timeout_s=LONG_S)
    cut_the_power(site, task_id)
    eventually("the daemon is back", site.daemon.is_healthy)
    task = site.daemon.wait_for_task(task_id, timeout_s=LONG_S)
    assert task["status"] == "interrupted", task
    eventually("the old version serves", lambda: is_as_before(site.prod, env))
    failed, returned = site.history()[-2:]
    assert f"| odoo18-prod | prod | deploy | {NEW} | fail |" in failed
    assert f"| odoo18-prod | prod | rollback | {OLD} | success |" in returned


def test_a_deployment_that_is_stopped_is_taken_back_though_the_daemon_was_killed(
    site: Site, env: bytes
) -> None:
    task_id = site.begin(NEW)
    eventually("it has begun", lambda: site.has_begun(task_id, "back up"), timeout_s=LONG_S)
    site.daemon.kill()
    eventually("the daemon is back", site.daemon.is_healthy)
    assert site.daemon.api(f"/api/tasks/{task_id}/stop", {}).status in (200, 202)
    task = site.daemon.wait_for_task(task_id, timeout_s=LONG_S)
    assert task["status"] == "cancelled", task
    assert is_as_before(site.prod, env)


def test_a_registry_that_is_lost_in_the_middle_of_a_pull_changes_nothing(site: Site, env: bytes) -> None:
    site.prod.push("sha-torn")
    with hostile_registry() as (address, behaviours), site.prod.registry_at(address):
        behaviours["acme/odoo18"] = TORN_BLOBS
        done = site.script("deploy", "odoo18-prod", "prod", "sha-torn", "--force")
    assert done.returncode == 4, done.stdout + done.stderr
    assert is_as_before(site.prod, env)


def test_what_falls_after_it_was_called_good_is_given_back(site: Site, env: bytes) -> None:
    task_id = site.begin(NEW)
    assert site.daemon.wait_for_task(task_id, timeout_s=LONG_S)["status"] == "succeeded"
    run("podman", "rm", "--force", "--time=0", "odoo18-prod-web")
    back = f"| odoo18-prod | prod | rollback | {OLD} | success | not well after it was called good"
    eventually("the rollback is on record", lambda: site.grep(back), timeout_s=LONG_S)
    assert len(site.grep(f"| odoo18-prod | prod | deploy | {NEW} | fail | not well after")) == 1
    assert is_as_before(site.prod, env)
