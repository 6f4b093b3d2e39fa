"""Layer 1 and the program in a checkout (source git), over real processes.

Normal update, git fails, pip fails, power cut, migration fails, maintenance mode: each by dash and busybox.
"""

import contextlib
import hashlib
import hmac
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

import pytest
from waiting import eventually, free_port

from podup.files import is_locked

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}
one_shell = pytest.mark.parametrize("place", ["busybox"], indirect=True)
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
    exec grep -qv broken "$last" ;;
esac
exec {python} "$@"
"""


def git(where: Path, *words: str) -> str:
    about = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *about, *words], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository of this program at version 1.0.0."""
    origin = tmp_path_factory.mktemp("project") / "origin"
    origin.mkdir()
    for name in PARTS:
        shutil.copytree(ROOT / name, origin / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(origin, "init", "-q")
    commit(origin, "1.0.0")
    return origin


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

    def update(self) -> int:
        """Update and wait for it; its exit code."""
        argv = [str(self.python), "-m", "podup", "self-update"]
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


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.skipif(not shutil.which(words[0]), reason=f"no {name} here"))
        for name, words in SHELLS.items()
    ]
)
def place(request, tmp_path, project):
    found = Place(tmp_path, project, SHELLS[request.param])
    found.settings = getattr(request.function, "settings", {})
    found.start()
    try:
        found.wait_for("1.0.0")
        yield found
    finally:
        found.end(signal.SIGKILL)
        print((tmp_path / "log").read_text()[-5000:])
        shutil.rmtree(found.runtime)


def test_normal_update(place):
    (place.code / "data").mkdir()
    (place.code / "data/kept").write_text("never touched")
    new = place.commit("1.1.0", needs="two")
    assert place.update() == 0
    assert place.is_at_rest("1.1.0") and place.head() == new
    assert place.outcomes() == [("1.1.0", "succeeded")]
    backups = place.state / "backups/auto_update"
    assert len(list(backups.glob("code_backup_*.tar.gz"))) == 1
    assert len(list(backups.glob("*.db.*.bak"))) == 1
    assert (place.code / "data/kept").read_text() == "never touched"
    assert "1.1.0" in place.ask_layer1("history").stdout
    place.commit("1.2.0", needs="two")
    os.kill(place.process.pid, signal.SIGUSR1)
    place.wait_for("1.2.0")
    assert (place.state / "pip.log").read_text().count("pip") == 2, "at the start, and when the file changed"
    assert place.update() == 0 and place.outcomes()[2:] == [], "nothing newer, nothing done"


def test_git_fails(place):
    before = place.head()
    place.commit("1.1.0")
    place.origin.rename(place.origin.with_name("away"))
    assert place.update() == 1
    assert place.is_at_rest("1.0.0") and place.head() == before


def test_pip_fails(place):
    before = place.head()
    (place.code / "unknown-to-git").write_text("stays")
    place.commit("1.1.0", needs="broken")
    assert place.update() == 4
    assert place.is_at_rest("1.0.0") and place.head() == before
    assert (place.code / "requirements.txt").read_text() == "one\n"
    assert (place.code / "unknown-to-git").read_text() == "stays"
    assert place.update() == 3, "what failed is not tried again by itself"
    assert place.outcomes()[0] == ("1.1.0", "rolled_back")


def test_migration_fails(place):
    """The dry start finds it and nothing is touched; what cannot be tried before is taken back."""
    tables, before, pid = place.tables(), place.head(), place.pid()
    place.commit("1.1.0", migration=f"{MIGRATION}CREATE TABLE half (id INTEGER) STRICT;\n")
    assert place.update() == 1
    assert place.is_at_rest("1.0.0") and place.pid() == pid, "the service was not stopped"
    assert place.head() == before and place.tables() == tables
    assert place.update() == 3, "what failed is not tried again by itself"
    place.commit("1.2.0", needs="two")
    assert place.update() == 4
    assert place.is_at_rest("1.0.0") and place.tables() == tables
    assert [one for one, _ in place.outcomes()] == ["1.1.0", "1.2.0"]


@one_shell
def test_code_that_cannot_start_is_refused_before_the_switch(place):
    before, pid = place.head(), place.pid()
    place.commit("1.1.0", first="import gone\n")
    assert place.update() == 1
    assert place.is_at_rest("1.0.0") and place.head() == before and place.pid() == pid
    assert "No module named 'gone'" in (place.state / "update.log").read_text()
    assert not (place.state / "update-scratch").exists()
    place.commit("1.1.1")
    assert place.update() == 0 and place.is_at_rest("1.1.1")


test_migration_fails.settings = {"PODUP_UPDATE_TRIAL_SECS": "5"}


@one_shell
def test_a_program_that_migrates_and_dies_is_taken_back_with_its_database(place):
    tables = place.tables()
    place.commit("1.1.0", migration=MIGRATION, first=DIES_SOON)
    assert place.update() == 4
    assert place.is_at_rest("1.0.0") and place.tables() == tables


test_a_program_that_migrates_and_dies_is_taken_back_with_its_database.settings = {
    "PODUP_UPDATE_TRIAL_SECS": "6",
    "PODUP_UPDATE_SETTLE_SECS": "3",
}


def test_power_cut(place):
    before = place.head()
    place.commit("1.1.0", migration=MIGRATION)
    tables = place.tables()
    os.kill(place.process.pid, signal.SIGUSR1)
    eventually(lambda: place.version() == "1.1.0")
    assert place.journal.exists() and "half" in place.tables()
    place.end(signal.SIGKILL)
    place.start()
    place.wait_for("1.0.0")
    assert place.head() == before and place.tables() == tables
    assert place.outcomes() == [("1.1.0", "rolled_back")]


test_power_cut.settings = {"PODUP_UPDATE_SETTLE_SECS": "15"}


@one_shell
def test_power_cut_while_the_code_is_switched(place):
    """Git was killed between files: its lock is left, one file is new, one is torn, the journal says so."""
    before = place.head()
    (place.code / "unknown-to-git").write_text("stays")
    quick = place.python.read_text()
    stalls = 'echo $$ >"$PODUP_STATE_DIR/pip.pid"; exec sleep 60; for last'
    place.python.write_text(quick.replace("for last", stalls))
    place.commit("1.1.0", needs="two", migration=MIGRATION)
    os.kill(place.process.pid, signal.SIGUSR1)
    eventually(lambda: (place.state / "pip.pid").exists())
    assert place.head() != before and '"switching"' in place.journal.read_text()
    status, headers, _ = place.get("/api/tasks")
    assert status == 503 and headers["Retry-After"], "the old program serves on, in maintenance"
    place.end(signal.SIGKILL)
    (place.code / ".git/index.lock").write_text("")
    (place.code / "podup/cli/table.py").write_text("torn")
    git(place.code, "update-ref", "HEAD", before)
    place.python.write_text(quick)
    os.kill(int((place.state / "pip.pid").read_text()), signal.SIGKILL)
    place.start()
    place.wait_for("1.0.0")
    assert place.head() == before and git(place.code, "diff", "--name-only", "HEAD") == ""
    assert git(place.code, "ls-files", "--others", "--exclude=__pycache__") == "unknown-to-git"


def test_maintenance_mode(place):
    place.commit("1.1.0")
    os.kill(place.process.pid, signal.SIGUSR1)
    eventually(lambda: place.version() == "1.1.0")
    assert json.loads(place.get("/health")[2])["status"] == "maintenance"
    status, headers, page = place.get("/", Accept="text/html")
    assert status == 503 and int(headers["Retry-After"]) > 0 and b"<html" in page
    body = b'{"action": "published"}'
    signed = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    about = {"X_Hub_Signature_256": signed, "X_GitHub_Event": "package", "Content_Type": "application/json"}
    status, _, said = place.get("/github-package-update/web.service", body, **about)
    assert status == 202, said
    assert len(list((place.state / "spool").glob("*"))) == 1
    place.wait_for("1.1.0")
    eventually(lambda: not list((place.state / "spool").glob("*")))


test_maintenance_mode.settings = {"PODUP_UPDATE_SETTLE_SECS": "4"}


@one_shell
def test_rollback_to_a_commit(place):
    first = place.head()
    place.commit("1.1.0")
    assert place.update() == 0
    assert place.ask_layer1("rollback", first).returncode == 0
    assert place.is_at_rest("1.0.0") and place.head() == first
    assert place.update() == 3, "what somebody went back from is not taken again by itself"
    argv = [str(place.python), "-m", "podup", "rollback-self", "--last-good"]
    subprocess.run(argv, env=place.environment(), cwd=place.code, check=True, capture_output=True)
    assert place.is_at_rest("1.1.0")


@one_shell
def test_exit_10_asks_for_an_update_and_a_crash_loop_goes_back(place):
    place.commit("1.1.0", first=EXITS_10)
    assert place.update() == 0
    place.commit("1.2.0")
    (place.state / "ask").write_text("")
    os.kill(place.pid(), signal.SIGTERM)
    place.wait_for("1.2.0")
    (place.code / "podup/__main__.py").write_text(CRASHES)
    os.kill(place.pid(), signal.SIGKILL)
    place.wait_for("1.1.0")
    assert place.update() == 3, "the program that looped is not tried again by itself"


@one_shell
def test_a_killed_program_is_started_again_and_signals_are_forwarded(place):
    os.kill(place.pid(), signal.SIGKILL)
    eventually(lambda: not place.version())
    place.wait_for("1.0.0")
    os.kill(place.process.pid, signal.SIGTERM)
    assert place.process.wait(timeout=15) == 0
    assert not place.version()
    place.start()
