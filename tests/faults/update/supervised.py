"""Layer 1 with the program itself on a directory and a port of its own: no systemd, a mirror on loopback."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from programs import ROOT, publish, variant
from waiting import eventually, free_port


class Host:
    def __init__(
        self, root: Path, shell: list[str], built: Path, mirror: str, settings: Mapping[str, str] = {}
    ) -> None:
        self.root, self.shell, self.built, self.mirror = root, shell, built, mirror
        self.settings = settings
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
            **self.settings,
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

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the program's commands to its end."""
        argv = [str(self.target), *words]
        return subprocess.run(argv, env=self.environment(), capture_output=True, text=True, timeout=120)


@contextmanager
def running(found: Host) -> Iterator[Host]:
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
