"""Layer 1 with the program itself: no systemd, a mirror on loopback, updates taken, taken back and killed."""

import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
import zipfile
from pathlib import Path

import pytest
from waiting import eventually, free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
NAME = "pod-upgrade-trigger.pyz"
GOOD = "from podup.__main__ import main\nraise SystemExit(main())\n"
BROKEN = f"import sys\nif 'http-server' in sys.argv: raise SystemExit(1)\n{GOOD}"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    return build("1.0.0", tmp_path_factory.mktemp("built"))


def build(version: str, directory: Path) -> Path:
    words = [sys.executable, str(ROOT / "build_zipapp.py"), "--version", version, "--output", str(directory)]
    subprocess.run(words, check=True, capture_output=True)
    return directory / NAME


def variant(version: str, main: str, target: Path) -> Path:
    """Build a version whose first words are `main`."""
    with tempfile.TemporaryDirectory() as directory:
        program = build(version, Path(directory))
        with zipfile.ZipFile(program) as whole, target.open("wb") as file:
            file.write(b"#!/usr/bin/env python3\n")
            with zipfile.ZipFile(file, "w") as changed:
                for entry in whole.infolist():
                    if not entry.filename.startswith("__main__"):
                        changed.writestr(entry, whole.read(entry))
                changed.writestr("__main__.py", main)
    target.chmod(0o755)
    return target


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
    files = tmp_path / "mirror"
    files.mkdir()

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    handler = functools.partial(Silent, directory=files)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = Host(tmp_path, request.param, built, f"http://127.0.0.1:{server.server_port}")
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
        server.shutdown()
        shutil.rmtree(found.runtime)


def publish(host: Host, version: str, main: str) -> Path:
    assets = host.root / f"mirror/a/b/releases/download/v{version}"
    assets.mkdir(parents=True)
    program = variant(version, main, assets / NAME)
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    (assets / f"{NAME}.sha256").write_text(f"{digest}  {NAME}\n")
    latest = host.root / "mirror/repos/a/b/releases/latest"
    latest.parent.mkdir(parents=True, exist_ok=True)
    latest.write_text(json.dumps({"tag_name": f"v{version}"}))
    return program


def test_updates_taken_and_taken_back(host):
    good = publish(host, "1.1.0", GOOD)
    assert host.update().wait(timeout=60) == 0
    assert host.is_at_rest("1.1.0")
    publish(host, "1.2.0", BROKEN)
    assert host.update().wait(timeout=90) == 4
    eventually(lambda: host.is_at_rest("1.1.0"))
    assert host.target.read_bytes() == good.read_bytes()


def test_a_power_cut_in_the_trial(host):
    before = host.target.read_bytes()
    publish(host, "1.1.0", GOOD)
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
    good = publish(host, "1.1.0", GOOD)
    assert host.update().wait(timeout=60) == 0
    crashing = variant("1.2.0", BROKEN, host.root / "crashing")
    os.replace(crashing, host.target)
    (host.root / "keep").write_bytes(good.read_bytes())
    pid = re.search(r"[0-9]+", (host.state / "daemon.lock").read_text())
    os.kill(int(pid[0]), signal.SIGTERM)
    eventually(lambda: host.is_at_rest("1.0.0"), within_s=60)
