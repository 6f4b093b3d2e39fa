"""Layer 1 with the program itself: no systemd, a mirror on loopback, updates taken, taken back and killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest
from programs import BROKEN, GOOD, ROOT, publish, serving, variant
from waiting import eventually, free_port

pytestmark = pytest.mark.slow

class Host:
    def __init__(self, root: Path, shell: list[str], built: Path, mirror: str) -> None:
        self.root, self.shell, self.built, self.mirror = root, shell, built, mirror
        self.port = free_port()
        self.runtime = tempfile.mkdtemp(prefix="podup-")  # short, for the control socket's path
        self.target, self.state = root / "bin/pod-upgrade-trigger", root / "state"
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "XDG_RUNTIME_DIR": self.runtime,
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere",
            "PODUP_STATE_DIR": str(self.state),
            "PODUP_HTTP_ADDR": f"127.0.0.1:{self.port}",
            "TARGET_BIN": str(self.target),
            "SEED_PROGRAM": str(self.built),
            "PODUP_RELEASE_REPO": "a/b",
            "PODUP_RELEASE_API_URL": self.mirror,
            "PODUP_RELEASE_BASE_URL": self.mirror,
            "PODUP_UPDATE_SETTLE_SECS": "2",
            "PODUP_UPDATE_TRIAL_SECS": "15",
            "UPDATE_LONGEST_PAUSE_SECS": "1",
        }

    def start(self) -> None:
        words = [*self.shell, str(ROOT / "scripts/entrypoint.sh")]
        self.process = subprocess.Popen(
            words, env=self.environment(), start_new_session=True, stderr=subprocess.DEVNULL
        )

    def version(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                return str(json.load(answer)["version"])
        except OSError:
            return ""

    def update(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self.target), "self-update"], env=self.environment(), start_new_session=True
        )

    def is_at_rest(self, version: str) -> bool:
        return self.version() == version and not (self.state / "UPDATE_LOCK.json").exists()


@pytest.fixture(params=[["dash"]], ids=lambda shell: shell[0])
def host(request, tmp_path, built):
    with serving(tmp_path / "mirror") as url:
        yield from running(Host(tmp_path, request.param, built, url))


def running(found):
    found.start()
    try:
        eventually(lambda: found.version() == "1.0.0")
    except AssertionError:
        os.killpg(found.process.pid, signal.SIGKILL)
        raise
    try:
        yield found
        os.kill(found.process.pid, signal.SIGTERM)
        assert found.process.wait(timeout=20) == 0
        assert found.version() == ""
    finally:
        shutil.rmtree(found.runtime)


def publish_main(host: Host, version: str, main: str) -> Path:
    program = variant(version, main, host.root / f"{version}.pyz")
    publish(host.root / "mirror", version, program)
    return program


def test_updates_taken_and_taken_back(host):
    good = publish_main(host, "1.1.0", GOOD)
    assert host.update().wait(timeout=60) == 0
    assert host.is_at_rest("1.1.0")
    publish_main(host, "1.2.0", BROKEN)
    assert host.update().wait(timeout=90) == 4
    eventually(lambda: host.is_at_rest("1.1.0"))
    assert host.target.read_bytes() == good.read_bytes()


def test_a_power_cut_in_the_trial(host):
    before = host.target.read_bytes()
    publish_main(host, "1.1.0", GOOD)
    update = host.update()
    journal = host.state / "UPDATE_LOCK.json"
    eventually(lambda: journal.exists() and '"trial"' in journal.read_text())
    os.kill(int(json.loads((host.state / "update.flock").read_text())["pid"]), signal.SIGKILL)
    os.killpg(update.pid, signal.SIGKILL)
    os.killpg(host.process.pid, signal.SIGKILL)
    host.process.wait()
    update.wait()
    host.start()
    eventually(lambda: host.is_at_rest("1.0.0"))
    assert host.target.read_bytes() == before
    assert not list(host.target.parent.glob("*.new.*"))


def test_a_program_that_only_crashes_goes_back_to_the_one_before(host):
    good = publish_main(host, "1.1.0", GOOD)
    assert host.update().wait(timeout=60) == 0
    crashing = variant("1.2.0", BROKEN, host.root / "crashing")
    os.replace(crashing, host.target)
    (host.root / "keep").write_bytes(good.read_bytes())
    pid = re.search(r"[0-9]+", (host.state / "daemon.lock").read_text())
    os.kill(int(pid[0]), signal.SIGTERM)
    eventually(lambda: host.is_at_rest("1.0.0"), within_s=60)
