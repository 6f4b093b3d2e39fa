"""Between a stack and a version: a stop at each step, a smoke check that flaps, a tag that was moved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from labkit.commands import eventually
from labkit.images import Build, push
from labkit.postgres import programs_directory
from labkit.stack_site import NEW, OLD, Site, is_as_before, site_running

pytestmark = pytest.mark.skipif(programs_directory() is None, reason="no PostgreSQL server is installed")
LONG_S = 120.0
STEPS = ("keep the running image", "pull ", "write ODOO_TAG", "let odoo18-prod run")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Site]:
    with site_running(tmp_path_factory.mktemp("site"), registry, with_staging=True) as running:
        yield running


def task_of(said: str) -> str:
    """The id in `... (3.3 s, task tsk_...)`."""
    return said.rpartition("task ")[2].rstrip().rstrip(")")


@pytest.mark.parametrize("step", STEPS)
def test_stopped_at_a_step_it_is_taken_back(site: Site, step: str) -> None:
    env = site.prod.env_file.read_bytes()
    task_id = site.begin(NEW)
    eventually("the step has begun", lambda: site.has_begun(task_id, step), timeout_s=LONG_S)
    assert site.daemon.api(f"/api/tasks/{task_id}/stop", {}).status in (200, 202)
    task = site.daemon.wait_for_task(task_id, timeout_s=LONG_S)
    assert task["status"] == "cancelled", task
    assert OLD.encode() in env and is_as_before(site.prod, env)


def test_a_smoke_check_may_fail_twice_and_not_three_times(site: Site) -> None:
    env = site.prod.env_file.read_bytes()
    tries = site.base / "tries"
    check = site.base / "flapping"
    check.write_text(f'#!/bin/sh\necho try >>{tries}\ntest "$(wc -l <{tries})" -ge "$(cat {tries}.wanted)"\n')
    check.chmod(0o755)
    site.configure('  { database = "odoo" },', f'  {{ database = "odoo" }},\n  {{ command = ["{check}"] }},')
    wanted = tries.with_name("tries.wanted")
    wanted.write_text("1000\n")
    fallen = site.script("deploy", "odoo18-prod", "prod", NEW, "--force")
    assert fallen.returncode == 4, fallen.stdout + fallen.stderr
    assert is_as_before(site.prod, env)
    tries.unlink()
    wanted.write_text("3\n")
    stood = site.script("deploy", "odoo18-prod", "prod", NEW, "--force")
    assert stood.returncode == 0, stood.stdout + stood.stderr
    assert tries.read_text().count("try") >= 3 and site.prod.serves() == NEW
    back = site.script("rollback", "odoo18-prod", OLD)
    assert back.returncode == 0 and is_as_before(site.prod, env), back.stdout + back.stderr


def test_a_tag_moved_since_staging_never_runs(site: Site) -> None:
    env = site.prod.env_file.read_bytes()
    staged = site.script("deploy", "odoo18-staging", "staging", NEW)
    assert staged.returncode == 0, staged.stdout + staged.stderr
    push(Build("moved"), f"{site.prod.registry}/acme/{site.prod.image}:{NEW}")
    refused = site.script("deploy", "odoo18-prod", "prod", NEW)
    assert refused.returncode == 3 and "not the image that was verified" in refused.stdout, refused
    assert is_as_before(site.prod, env)
    assert not site.has_begun(task_of(refused.stdout), "pull"), "the other image was not even fetched"
