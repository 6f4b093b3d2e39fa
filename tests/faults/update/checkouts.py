"""A host whose layer 1 runs the program in a checkout (source git), over real processes; pip is a script."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from waiting import eventually, free_port

from podup.files import is_locked

ROOT = Path(__file__).resolve().parents[3]
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}
PARTS = ("podup", "scripts", "migrations", "systemd")
SECRET = "the-webhook-secret"
SERVING = "import sys\nif 'http-server' in sys.argv:\n    "
CRASHES = f"{SERVING}raise SystemExit(1)\n"
DIES_SOON = f"{SERVING}import os, threading\n    threading.Timer(1.5, os._exit, [1]).start()\n"
EXITS_10 = (
    f"{SERVING}import os, pathlib\n    ask = pathlib.Path(os.environ['PODUP_STATE_DIR'], 'ask')\n"
    "    if ask.exists():\n        ask.unlink()\n        raise SystemExit(10)\n"
)
MIGRATION = "-- oldest-reader: 0.0.0\nCREATE TABLE half (id INTEGER PRIMARY KEY) STRICT;\n"
PIP = """#!/bin/sh
case "$*" in *"-m pip"*)
    echo pip >>"$PODUP_STATE_DIR/pip.log"
    for last; do :; done
    found=$(cat "$last") said=
    [ ! -e "$PODUP_STATE_DIR/away" ] || said="Max retries exceeded with url: /simple/$found/"
    case $found in broken) said='404 Client Error: Not Found' ;; esac
    [ -n "$said" ] || exit 0
    while [ "$1" != "$last" ]; do
        if [ "$1" = --log ]; then echo "Could not fetch URL http://index/simple/$found/: $said" >"$2"; fi
        shift
    done
    echo "ERROR: No matching distribution found for $found" >&2
    exit 1 ;;
esac
exec {python} "$@"
"""


def git(where: Path, *words: str) -> str:
    about = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *about, *words], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(origin: Path, version: str, *, first: str = "", migration: str = "", needs: str = "one") -> str:
    """Commit a version whose program begins with the words `first`; return its id."""
    said = re.sub('(?m)^VERSION = .*', f'VERSION = "{version}"', (ROOT / "podup/version.py").read_text())
    (origin / "podup/version.py").write_text(said)
    (origin / "podup/__main__.py").write_text(first + (ROOT / "podup/__main__.py").read_text())
    if migration:
        number = len(list((ROOT / "migrations").glob("*.sql"))) + 1
        (origin / f"migrations/{number:04}_later.sql").write_text(migration)
    (origin / "requirements.txt").write_text(needs + "\n")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", version)
    return git(origin, "rev-parse", "HEAD")


class Place:
    """A host whose layer 1 runs a checkout; `sh` is the shell under test, pip only looks at the file."""

    def __init__(self, root: Path, project: Path, shell: list[str]) -> None:
        self.root, self.shell, self.port = root, shell, free_port()
        self.state, self.code, self.origin = root / "state", root / "code", root / "origin"
        self.runtime = tempfile.mkdtemp(prefix="podup-")  # short, for the control socket's path
        self.settings: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        git(root, "clone", "-q", str(project), str(self.origin))
        (root / "bin").mkdir()
        (root / "bin/sh").symlink_to(str(shutil.which(shell[0])))
        self.python = root / "bin/python"
        self.python.write_text(PIP.format(python=sys.executable))
        self.python.chmod(0o755)

    def commit(self, version: str, **how: str) -> str:
        return commit(self.origin, version, **how)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.root),
            "XDG_RUNTIME_DIR": self.runtime,
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere",
            "PODUP_STATE_DIR": str(self.state),
            "PODUP_HTTP_ADDR": f"127.0.0.1:{self.port}",
            "PODUP_GH_WEBHOOK_SECRET": SECRET,
            "PODUP_UPDATE_SETTLE_SECS": "1",
            "PODUP_UPDATE_TRIAL_SECS": "20",
            "UPDATE_SOURCE": "git",
            "UPDATE_REPOSITORY": str(self.origin),
            "UPDATE_LONGEST_PAUSE_SECS": "1",
            "CODE_DIR": str(self.code),
            "PYTHON": str(self.python),
            **self.settings,
        }

    def start(self) -> None:
        words = [*self.shell, str(ROOT / "scripts/entrypoint.sh")]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                words, env=self.environment(), start_new_session=True, stdout=log, stderr=log
            )

    def ask_layer1(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script with these words, as an operator does."""
        argv = [*self.shell, str(ROOT / "scripts/entrypoint.sh"), *words]
        return subprocess.run(argv, env=self.environment(), capture_output=True, text=True, timeout=90)

    def update(self, *words: str) -> int:
        """Update and wait for it; its exit code."""
        argv = [str(self.python), "-m", "podup", "self-update", *words]
        log = self.root / "log"
        with log.open("ab") as said:
            how = {"env": self.environment(), "cwd": self.code, "stdout": said, "stderr": said}
            return subprocess.run(argv, **how, timeout=90).returncode

    def get(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        url = f"http://127.0.0.1:{self.port}{path}"
        asked = urllib.request.Request(url, body, {name.replace("_", "-"): v for name, v in headers.items()})
        try:
            with urllib.request.urlopen(asked, timeout=2) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()
        except OSError:
            return 0, {}, b""

    def version(self) -> str:
        status, _, body = self.get("/health")
        return str(json.loads(body)["version"]) if status else ""

    def is_at_rest(self, version: str) -> bool:
        return not self.journal.exists() and self.version() == version

    def wait_for(self, version: str) -> None:
        eventually(lambda: self.is_at_rest(version), within_s=60)

    @property
    def journal(self) -> Path:
        return self.state / "UPDATE_LOCK.json"

    def outcomes(self) -> list[tuple[str, str]]:
        """Where each update went, and how it ended."""
        path = self.state / "update-history.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(one["after"].partition("+")[0], one["outcome"]) for one in map(json.loads, lines)]

    def pid(self) -> int:
        return int(json.loads((self.state / "daemon.lock").read_text())["pid"])

    def head(self) -> str:
        return git(self.code, "rev-parse", "HEAD")

    def tables(self) -> set[str]:
        with sqlite3.connect(self.state / "data/pod-upgrade-trigger.db") as cx:
            return {row[0] for row in cx.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def end(self, number: signal.Signals) -> None:
        """End all of it: the program, what updates it, and layer 1."""
        for path in (self.state / "update.flock", self.state / "daemon.lock"):
            if is_locked(path):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(json.loads(path.read_text())["pid"], number)
        os.killpg(self.process.pid, number)
        self.process.wait(timeout=20)
