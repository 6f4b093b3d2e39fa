"""Every step by hand, as the documents tell it, from the two files of a release and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from labkit.commands import eventually, run
from labkit.daemon import BUILT, TOKEN, Daemon
from labkit.releases import ASSET, NEXT, REPOSITORY, Mirror, mirror
from labkit.services import systemctl, units_directory
from labkit.webhooks import request

HTTP, UPDATER = "pod-upgrade-trigger-http", "pod-upgrade-trigger-updater"
CONFIG = Path.home() / ".config"
SCRIPTS = Path.home() / ".local/share/pod-upgrade-trigger/scripts"
HERE = run(str(BUILT), "--version").split()[1] if BUILT.exists() else ""


@pytest.fixture
def releases() -> Iterator[Mirror]:
    with mirror() as found:
        found.publish(HERE, BUILT)
        yield found


@pytest.fixture
def machine(tmp_path: Path, releases: Mirror) -> Iterator[Daemon]:
    """A machine nothing is installed on; everything is taken away again."""
    found = Daemon(tmp_path / "state")
    found.settings |= releases.settings() | {"PODUP_UPDATE_SETTLE_SECS": "3", "PODUP_UPDATE_TRIAL_SECS": "20"}
    found.program.unlink(missing_ok=True)
    for path in units_directory().glob("pod-upgrade-trigger-*"):
        path.unlink()
    systemctl("daemon-reload")
    try:
        yield found
    finally:
        for unit in (f"{UPDATER}.timer", f"{UPDATER}.service", f"{HTTP}.service"):
            systemctl("disable", "--now", unit, check=False)
        for path in units_directory().glob("pod-upgrade-trigger-*"):
            path.unlink()
        shutil.rmtree(SCRIPTS, ignore_errors=True)
        (CONFIG / f"{HTTP}.env").unlink(missing_ok=True)
        systemctl("daemon-reload")
        found.program.unlink(missing_ok=True)
        shutil.copy(BUILT, found.program)


def put_in_place(machine: Daemon, releases: Mirror, directory: Path) -> None:
    """Download, `sha256sum -c`, move, chmod."""
    for name in (ASSET, f"{ASSET}.sha256"):
        url = f"{releases.url}/{REPOSITORY}/releases/download/v{HERE}/{name}"
        run("curl", "-fsS", "-o", str(directory / name), url)
    assert subprocess.run(["sha256sum", "-c", f"{ASSET}.sha256"], cwd=directory, check=True)
    shutil.move(directory / ASSET, machine.program)
    machine.program.chmod(0o755)


def try_on_another_port(machine: Daemon, directory: Path) -> None:
    """What is not installed yet serves beside what is, with a state of its own."""
    trial = Daemon(directory / "trial")
    settings = {**machine.shell(), "PODUP_STATE_DIR": str(trial.state)}
    words = [str(machine.program), "http-server", "--http-addr", f"127.0.0.1:{trial.port}"]
    process = subprocess.Popen(words, env=settings)
    eventually("the trial answers", trial.is_healthy)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def put_units_in_place(machine: Daemon, directory: Path) -> None:
    """Copy what the program writes out, under the names the files themselves say."""
    run(str(machine.program), "install", "--export", str(directory))
    for path in (directory / "systemd").glob("*.user.*.example"):
        shutil.copy(path, units_directory() / path.name.replace(".user.", ".").removesuffix(".example"))
    example = (directory / "systemd" / f"{HTTP}.env.example").read_text()
    ours = "".join(f'{name}="{value}"\n' for name, value in machine.environment().items())
    (CONFIG / f"{HTTP}.env").write_text(example + ours)
    shutil.copytree(directory / "scripts", SCRIPTS)
    systemctl("daemon-reload")


def script(machine: Daemon, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = ["sh", str(SCRIPTS / name), *arguments]
    return subprocess.run(words, env=machine.shell(), capture_output=True, text=True, timeout=120)


def version(machine: Daemon) -> str:
    return str(request(f"{machine.url}/health").body["version"])


def test_by_hand_from_the_two_files_to_tasks(
    machine: Daemon, releases: Mirror, good: Path, tmp_path: Path
) -> None:
    put_in_place(machine, releases, tmp_path)
    try_on_another_port(machine, tmp_path)
    put_units_in_place(machine, tmp_path / "export")
    systemctl("enable", "--now", f"{HTTP}.service")
    eventually("the service answers", machine.is_healthy)

    update = "update-pod-upgrade-trigger-from-release.sh"
    releases.publish(NEXT, good, sha256="0" * 64)
    done = script(machine, update)
    assert (done.returncode, version(machine)) == (1, HERE), done
    assert "is not what was published" in done.stderr
    releases.publish(NEXT, good)
    done = script(machine, update)
    assert (done.returncode, version(machine)) == (0, NEXT), done
    assert f"{HERE} -> {NEXT}, from {releases.url}" in done.stderr

    systemctl("enable", "--now", f"{UPDATER}.timer")
    assert systemctl("is-active", f"{UPDATER}.timer").strip() == "active"
    done = script(machine, "self-update-runner.sh", "--dry-run")
    assert done.returncode == 0, done
    systemctl("restart", f"{HTTP}.service")
    eventually("the service answers", machine.is_healthy)
    eventually("the reports are tasks", lambda: len(tasks(machine)) >= 3)
    assert {(task["status"], task["meta"]["dry_run"]) for task in tasks(machine)} >= {
        ("failed", False),
        ("succeeded", False),
        ("skipped", True),
    }


def tasks(machine: Daemon) -> list[dict[str, object]]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    found = request(f"{machine.url}/api/tasks?kind=self-update", headers=headers).body["tasks"]
    assert all(task["type"] == "self-update-run" for task in found)
    return list(found)


def test_a_target_that_cannot_be_replaced_is_refused_with_a_hint(machine: Daemon, tmp_path: Path) -> None:
    shutil.copy(BUILT, machine.program)
    locked = tmp_path / "locked"
    locked.mkdir()
    shutil.copy(BUILT, locked / "program")
    locked.chmod(0o555)
    settings = {**machine.shell(), **machine.environment()}
    for target, says in (
        (tmp_path, "is not a file"),
        (tmp_path / "nothing", "there is no program"),
        (locked / "program", "is not writable"),
    ):
        done = subprocess.run(
            [str(machine.program), "self-update"], env={**settings, "TARGET_BIN": str(target)},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, says in done.stderr, "hint:" in done.stderr) == (3, True, True), done


def test_behind_a_link_the_file_is_replaced_and_the_link_stays(
    machine: Daemon, releases: Mirror, good: Path, tmp_path: Path
) -> None:
    shutil.copy(BUILT, tmp_path / "program")
    machine.program.symlink_to(tmp_path / "program")
    releases.publish(NEXT, good)
    settings = {**machine.shell(), **machine.environment()}
    done = subprocess.run([str(machine.program), "self-update"], env=settings, timeout=60)
    assert done.returncode == 0
    assert machine.program.readlink() == tmp_path / "program"
    assert (tmp_path / "program").read_bytes() == good.read_bytes()
    assert (tmp_path / "program.old").read_bytes() == BUILT.read_bytes()
    assert not [name for name in os.listdir(tmp_path) if ".new." in name]
