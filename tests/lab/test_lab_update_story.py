"""Updates under load and under attack: no webhook is lost or run twice, and no row is missing afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labkit.commands import eventually, run
from labkit.daemon import BUILT, SECRET, UNIT, Daemon, daemon_running
from labkit.database import contents, count, lost, tables
from labkit.images import Build, push
from labkit.releases import MIGRATION, NEXT, Mirror, broken_version, build_version, mirror
from labkit.sender import Sender, port_held
from labkit.services import Service, launch, systemctl, units_directory, wait_for_version
from labkit.webhooks import deliver, package_event, request, send

AFTER = "99.1.0"
QUICK = {"PODUP_UPDATE_SETTLE_SECS": "3", "PODUP_UPDATE_TRIAL_SECS": "20"}
NEVER_SERVES = (
    "import sys\nif 'http-server' in sys.argv: raise SystemExit(1)\n"
    "from podup.__main__ import main\nsys.exit(main())\n"
)
SERVES_AND_DIES = (
    "import os, sys, threading\n"
    "if 'http-server' in sys.argv: threading.Timer(2.0, lambda: os._exit(1)).start()\n"
    "from podup.__main__ import main\nsys.exit(main())\n"
)
Make = Callable[..., Service]


@pytest.fixture
def daemon(tmp_path: Path, releases: Mirror) -> Iterator[Daemon]:
    """A daemon that looks at the mirror, and judges quickly."""
    with daemon_running(tmp_path / "state", releases.settings() | QUICK) as running:
        yield running


@pytest.fixture
def port(daemon: Daemon) -> Iterator[None]:
    with port_held(daemon):
        yield


def is_running(oneshot: str) -> bool:
    return systemctl("is-active", oneshot, check=False).strip() in ("activating", "deactivating")


def version(daemon: Daemon) -> str:
    try:
        return str(request(f"{daemon.url}/health").body["version"])
    except OSError:
        return ""


def test_no_webhook_is_lost_with_socket_activation(
    daemon: Daemon, releases: Mirror, port: None, good: Path, new_service: Make
) -> None:
    service = launch(new_service())
    daemon.look_again()
    releases.publish(NEXT, good)
    before = count(daemon.state, "deliveries")
    sender = Sender(daemon, service, per_s=50)
    time.sleep(2)
    done = daemon.command("self-update", timeout_s=180)
    time.sleep(2)
    sender.stop()
    assert done.returncode == 0, done
    assert [sent for sent in sender.sent if not sent.is_accepted] == []
    assert [sent for sent in sender.sent if sent.waited_for_update], "while the database took no write"
    after = before + len(sender.sent)
    eventually("all are handed over", lambda: count(daemon.state, "deliveries") == after)
    assert not list((daemon.state / "spool").glob("*.item"))
    assert version(daemon) == NEXT


def test_to_b_with_its_database_and_back_from_a_broken_c(
    daemon: Daemon, releases: Mirror, port: None, good: Path, new_service: Make, tmp_path: Path
) -> None:
    """Each migrates; C serves and dies. A push while C is on trial runs once, and no row is lost."""
    service = launch(new_service())
    daemon.look_again()
    run_push(daemon, service, "v2")
    at_a, program = contents(daemon.state), daemon.program.read_bytes()
    assert all(at_a[name].rows for name in ("tasks", "deliveries", "event_log"))

    releases.publish(NEXT, good)
    done = daemon.command("self-update", timeout_s=120)
    assert done.returncode == 0, done
    assert (version(daemon), daemon.program.read_bytes()) == (NEXT, good.read_bytes())
    assert daemon.program.with_name("pod-upgrade-trigger.old").read_bytes() == program
    assert "lab_next" in tables(daemon.state)
    assert lost(daemon.state, at_a) == {}

    at_b = contents(daemon.state)
    migration = MIGRATION.format(name="lab_after")
    broken = broken_version(good, SERVES_AND_DIES, tmp_path, version=AFTER, migration=migration)
    releases.publish(AFTER, broken)
    update = subprocess.Popen([str(daemon.program), "self-update"], env=daemon.shell())
    eventually("it is on trial", lambda: state(daemon) in ("trial", "rolling-back"), timeout_s=60)
    digest = push(Build("v3"), service.image)
    event = package_event(service.image, digest)
    assert send(daemon.url, deliver(service.unit, event, SECRET)).status == 202
    assert update.wait(timeout=120) == 4
    assert (version(daemon), daemon.program.read_bytes()) == (NEXT, good.read_bytes())
    assert "the database from before the update is back" in (daemon.state / "update.log").read_text()
    assert tables(daemon.state) >= {"lab_next"} and "lab_after" not in tables(daemon.state)
    assert lost(daemon.state, at_b) == {}
    wait_for_version(service, "v3", timeout_s=60)
    assert count(daemon.state, "deliveries") == len(at_b["deliveries"].rows) + 1
    newest, *older = daemon.api(f"/api/tasks?unit={service.unit}").body["tasks"]
    assert daemon.wait_for_task(newest["task_id"])["status"] == "succeeded"
    assert len(older) == 1, "the push before the updates"


def run_push(daemon: Daemon, service: Service, what: str) -> None:
    event = package_event(service.image, push(Build(what), service.image))
    answer = send(daemon.url, deliver(service.unit, event, SECRET))
    assert daemon.wait_for_task(answer.body["task_id"])["status"] == "succeeded"


@pytest.mark.parametrize("at", ["snapshot", "switching", "trial", "rolling-back"])
def test_a_killed_update_leaves_the_old_or_the_new(
    daemon: Daemon, releases: Mirror, good: Path, tmp_path: Path, at: str
) -> None:
    old, program = version(daemon), daemon.program.read_bytes()
    broken = at == "rolling-back"
    releases.publish(NEXT, broken_version(good, NEVER_SERVES, tmp_path) if broken else good)
    update = subprocess.Popen([str(daemon.program), "self-update"], env=daemon.shell())
    eventually(f"it is in {at} or past it", lambda: past(daemon, at), timeout_s=60)
    listed = systemctl("list-units", "--plain", "--no-legend", "podup-self-update*")
    systemctl("kill", "--signal=KILL", listed.split()[0], check=False)
    update.wait(timeout=60)
    eventually("it answers", lambda: version(daemon) in (old, NEXT), timeout_s=60)
    eventually("nothing is left over", lambda: not (daemon.state / "UPDATE_LOCK.json").exists(), timeout_s=60)
    assert daemon.program.read_bytes() == (program if version(daemon) == old else good.read_bytes())
    assert not list(daemon.program.parent.glob("*.new.*"))


def state(daemon: Daemon) -> str:
    try:
        return str(json.loads((daemon.state / "UPDATE_LOCK.json").read_text())["state"])
    except (OSError, ValueError):
        return ""


ORDER = ["requested", "staged", "snapshot", "switching", "trial", "committing", "rolling-back"]


def past(daemon: Daemon, at: str) -> bool:
    seen = state(daemon)
    return bool(seen) and ORDER.index(seen) >= ORDER.index(at)


def test_a_report_becomes_a_task_and_a_torn_one_is_set_aside(daemon: Daemon, releases: Mirror) -> None:
    reports = daemon.state / "self-update-reports"
    reports.mkdir(exist_ok=True)
    done = daemon.command("self-update", "--dry-run", timeout_s=60)
    assert done.returncode != 0, "there is no release yet"
    (reports / "self-update-1-1.json").write_text("{torn")
    daemon.stop()
    daemon.start()
    eventually("it is imported", lambda: not list(reports.glob("*.json")), timeout_s=20)
    assert (reports / "self-update-1-1.json.bad").exists()
    (task,) = daemon.api("/api/tasks?kind=self-update").body["tasks"]
    assert (task["type"], task["meta"]["dry_run"], task["status"]) == ("self-update-run", True, "failed")
    assert task["units"][0]["unit"] == UNIT
    logs = daemon.task(task["task_id"])["logs"]
    assert "self-update-run" in [line["action"] for line in logs]


def test_from_the_two_assets_alone_to_a_timer_that_updates(tmp_path: Path, good: Path) -> None:
    """The steps M1 to M5: script, checksum, install, timer, report."""
    script = Path("scripts/update-pod-upgrade-trigger-from-release.sh").resolve()
    with mirror() as releases:
        daemon = Daemon(tmp_path / "state")
        settings = releases.settings() | QUICK | {"PODUP_HTTP_ADDR": f"127.0.0.1:{daemon.port}"}
        settings["PODUP_STATE_DIR"] = str(daemon.state)
        target = Path.home() / ".local/bin/pod-upgrade-trigger"
        target.unlink(missing_ok=True)
        releases.publish("97.0.0", build_version("97.0.0", tmp_path))
        for shell in (["dash"], ["busybox", "sh"]):
            dry = subprocess.run([*shell, script, "--dry-run"], env={**os.environ, **settings}, timeout=60)
            assert dry.returncode == 0 and not target.exists()
        subprocess.run(["dash", script], env={**os.environ, **settings}, check=True, timeout=60)
        env = Path.home() / ".config/pod-upgrade-trigger-http.env"
        env.write_text("".join(f'{name}="{value}"\n' for name, value in settings.items()))
        for name in ("service", "socket"):
            (units_directory() / f"pod-upgrade-trigger-http.{name}").unlink(missing_ok=True)
        try:
            run(str(target), "install", "--yes", "--timer")
            eventually("it answers", daemon.is_healthy)
            assert systemctl("is-active", "pod-upgrade-trigger-updater.timer").strip() == "active"
            # with a manager older than five minutes the timer starts a run at once; ours is the next
            updater = "pod-upgrade-trigger-updater"
            eventually("the timer's first run is over", lambda: not is_running(f"{updater}.service"))
            releases.publish(NEXT, good)
            soon = units_directory() / f"{updater}.timer.d"
            soon.mkdir()
            (soon / "soon.conf").write_text("[Timer]\nOnActiveSec=1s\nAccuracySec=100ms\n")
            systemctl("daemon-reload")
            systemctl("restart", f"{updater}.timer")
            eventually("the timer's run updates it", lambda: version(daemon) == NEXT, timeout_s=60)
            eventually("the timer's run is over", lambda: not is_running(f"{updater}.service"), timeout_s=60)
            done = run(str(target), "doctor", check=False)
            assert f"{NEXT} at {target}" in done
            history = json.loads(run(str(target), "history", "--json"))["history"]
            assert [(entry["outcome"], entry["actor"]) for entry in history] == [("succeeded", "timer")]
        finally:
            run(str(target), "uninstall", "--yes", check=False)
            env.unlink()
            shutil.rmtree(units_directory() / "pod-upgrade-trigger-updater.timer.d", ignore_errors=True)
            shutil.copy(BUILT, target)
