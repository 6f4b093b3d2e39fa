"""Stacks on a real host: podman-compose, a real PostgreSQL, the scripts as operators call them.

The scenarios are those operators wrote down: staging before production, a forced wrong version, a rollback
by hand. Whatever happens, no row gets lost and the stack serves what it says it serves.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from labkit.commands import eventually, run
from labkit.postgres import programs_directory
from labkit.services import monitor_holds
from labkit.stack_site import NEW, OLD, Site, is_as_before, site_running
from labkit.stacks import NOBODY, ROWS

pytestmark = pytest.mark.skipif(programs_directory() is None, reason="no PostgreSQL server is installed")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Site]:
    with site_running(tmp_path_factory.mktemp("site"), registry, with_staging=False) as running:
        yield running


@pytest.fixture
def site(lasting: Site) -> Iterator[Site]:
    """Production on the old version, for tests that leave it so; nothing on record, no backup."""
    env = lasting.prod.env_file.read_bytes()
    assert OLD.encode() in env and is_as_before(lasting.prod, env)
    lasting.forget_records()
    yield lasting
    assert is_as_before(lasting.prod, env), "the next test begins with it"


@pytest.fixture
def own_site(tmp_path: Path, registry: str) -> Iterator[Site]:
    """One that may be left in any state, with staging."""
    with site_running(tmp_path, registry, with_staging=True) as running:
        yield running


def test_scenario_1_staging_then_production(own_site: Site) -> None:
    site = own_site
    checked = site.script("preflight", "odoo18-staging")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    staged = site.script("deploy", "odoo18-staging", "staging", NEW)
    assert staged.returncode == 0, staged.stdout + staged.stderr
    verified = site.base / "releases/verified"
    assert (verified / "odoo18-staging.txt").read_text().strip() == NEW
    assert (verified / "odoo18.txt").read_text().strip() == NEW
    (verified / "odoo18.txt").write_text("sha-edited\n")
    assert site.script("deploy", "odoo18-prod", "prod", NEW).returncode == 3
    (verified / "odoo18.txt").write_text(f"{NEW}\n")
    deployed = site.script("deploy", "odoo18-prod", "prod", NEW)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    for stack in site.stacks:
        assert (stack.serves(), stack.rows()) == (NEW, ROWS)
        assert monitor_holds(f"{stack.name}-web", site.daemon.state) == [], "compose had something of ours"
    assert [line.split(" | ")[1:6] for line in site.history()] == [
        ["odoo18-staging", "staging", "deploy", NEW, site.history()[0].split(" | ")[5]],
        ["odoo18-prod", "prod", "deploy", NEW, site.history()[1].split(" | ")[5]],
    ]
    assert len(site.grep("| odoo18-prod | prod | deploy | .* | success |")) == 1
    state = b"".join(path.read_bytes() for path in site.daemon.state.rglob("*") if path.is_file())
    assert b"a secret # of" not in state, "the database's password is in a journal or the database"
    backup = next(site.prod.backups.iterdir())
    assert {path.name for path in backup.iterdir()} >= {"docker-compose.yml", ".env", "odoo.dump", "COMPLETE"}
    assert (backup / ".env").stat().st_mode & 0o777 == 0o600
    assert backup.stat().st_mode & 0o777 == 0o700


def test_scenario_2_a_wrong_version_is_refused_and_with_force_taken_back(site: Site) -> None:
    env = site.prod.env_file.read_bytes()
    refused = site.script("deploy", "odoo18-prod", "prod", "sha-wrong999")
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert site.history() == [] and is_as_before(site.prod, env)
    forced = site.script("deploy", "odoo18-prod", "prod", "sha-wrong999", "--force")
    assert forced.returncode == 4, forced.stdout + forced.stderr
    assert is_as_before(site.prod, env)
    assert site.prod.running_image().endswith(f"/odoo18:{OLD}")
    failed, returned = site.history()
    assert "| odoo18-prod | prod | deploy | sha-wrong999 | fail |" in failed
    assert f"| odoo18-prod | prod | rollback | {OLD} | success |" in returned
    assert site.grep("| .* | fail |") == [failed]


def test_scenario_3_back_by_hand(site: Site) -> None:
    env = site.prod.env_file.read_bytes()
    assert site.script("deploy", "odoo18-prod", "prod", NEW, "--force").returncode == 0
    listed = site.script("rollback", "odoo18-prod", "--list")
    assert listed.returncode == 0 and NEW in listed.stdout and OLD in listed.stdout, listed.stdout
    back = site.script("rollback", "odoo18-prod", OLD)
    assert back.returncode == 0, back.stdout + back.stderr
    assert is_as_before(site.prod, env)
    again = site.script("rollback", "odoo18-prod", "--last-good")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (site.prod.serves(), site.prod.rows()) == (NEW, ROWS)
    assert site.script("rollback", "odoo18-prod", OLD).returncode == 0


@pytest.mark.parametrize("behaviour", ["exits", "crashes", "unhealthy", "sickens"])
def test_a_bad_version_is_taken_back(site: Site, behaviour: str) -> None:
    env = site.prod.env_file.read_bytes()
    site.prod.push("sha-bad", behaviour)
    if behaviour == "sickens":  # after three seconds: what settles sooner is called good, and found out later
        with site.configured("settle_s = 3", "settle_s = 8"):
            done = site.script("deploy", "odoo18-prod", "prod", "sha-bad", "--force")
    else:
        done = site.script("deploy", "odoo18-prod", "prod", "sha-bad", "--force")
    assert done.returncode == 4, done.stdout + done.stderr
    assert is_as_before(site.prod, env)
    assert len(site.grep("| .* | fail |")) == 1


def test_a_truncated_dump_stops_the_deployment(site: Site) -> None:
    """`pg_dump` that ends with 0 after half of its output is the fault nobody sees."""
    env = site.prod.env_file.read_bytes()
    with site.prod.broken_pg_dump():
        done = site.script("deploy", "odoo18-prod", "prod", NEW, "--force")
    assert done.returncode == 1, done.stdout + done.stderr
    assert is_as_before(site.prod, env)
    assert list(site.prod.backups.iterdir()) == []
    assert len(site.grep("| odoo18-prod | prod | deploy | .* | fail |")) == 1


def test_a_database_that_is_down_stops_the_deployment(site: Site) -> None:
    run("podman", "stop", "--time", "5", "odoo18-prod-db")
    done = site.script("deploy", "odoo18-prod", "prod", NEW, "--force")
    assert done.returncode == 1, done.stdout + done.stderr
    assert site.prod.env_file.read_text().count(OLD) == 1
    run("podman", "start", "odoo18-prod-db")
    eventually("the database answers", site.prod.is_database_up)


def test_back_with_the_registry_gone(site: Site) -> None:
    env = site.prod.env_file.read_bytes()
    assert site.script("deploy", "odoo18-prod", "prod", NEW, "--force").returncode == 0
    with site.prod.registry_at(NOBODY):
        back = site.script("rollback", "odoo18-prod", "--last-good")
        assert back.returncode == 0, back.stdout + back.stderr
        assert is_as_before(site.prod, env)
        site.prod.forget_images(NEW)
        nowhere = site.script("rollback", "odoo18-prod", NEW)
    assert nowhere.returncode == 3 and NEW in nowhere.stdout, nowhere.stdout + nowhere.stderr
    assert is_as_before(site.prod, env)


def test_containers_outlive_the_task_that_started_them(site: Site) -> None:
    assert site.script("deploy", "odoo18-prod", "prod", NEW, "--force").returncode == 0
    assert site.daemon.command("stack", "smoke", "odoo18-prod").returncode == 0
    site.daemon.stop()
    eventually("the stack still serves", lambda: site.prod.serves() == NEW)
    site.daemon.start()
    assert site.script("rollback", "odoo18-prod", OLD).returncode == 0


def test_a_second_deployment_at_once_waits_for_the_first(site: Site) -> None:
    wanted = [site.daemon.program, "stack", "deploy", "odoo18-prod", NEW, "--force"]
    both = [subprocess.Popen(wanted, env=site.daemon.shell(), stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [one.wait(timeout=180) for one in both] == [0, 0]
    assert site.prod.serves() == NEW
    assert site.script("rollback", "odoo18-prod", OLD).returncode == 0


def test_sync_copies_what_is_new_and_never_the_env(site: Site) -> None:
    env, source = site.prod.env_file.read_bytes(), site.base / "source"
    source.mkdir()
    (source / ".env").write_text("STOLEN=1\n")
    (source / "odoo.conf").write_text("[options]\n")
    with site.configured("[stacks.odoo18-prod]", f'[stacks.odoo18-prod]\nsource_dir = "{source}"'):
        shown = site.daemon.command("stack", "sync", "odoo18-prod", "--dry-run")
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert "copy odoo.conf (new); left alone: .env" in shown.stdout
        assert not (site.prod.run_dir / "odoo.conf").exists()
        assert site.daemon.command("stack", "sync", "odoo18-prod").returncode == 0
    assert (site.prod.run_dir / "odoo.conf").read_text() == "[options]\n"
    assert site.prod.env_file.read_bytes() == env


def test_a_backup_can_be_put_back(site: Site) -> None:
    assert site.script("backup", "odoo18-prod").returncode == 0
    name = next(site.prod.backups.iterdir()).name
    site.prod.sql("delete from res_users where id > 10")
    assert site.prod.rows() == 10
    done = site.daemon.command("stack", "restore", "odoo18-prod", name, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.prod.rows() == ROWS
    assert len(list(site.prod.backups.iterdir())) == 2


@pytest.mark.parametrize("name", ["../etc", "..", "nope"])
def test_names_that_are_no_stack(site: Site, name: str) -> None:
    before = sorted(site.base.rglob("*"))
    done = site.script("deploy", name, "prod", NEW)
    assert done.returncode in (1, 2), done.stdout + done.stderr
    state = site.daemon.state
    assert [path for path in sorted(site.base.rglob("*")) if state not in path.parents] == [
        path for path in before if state not in path.parents
    ]
