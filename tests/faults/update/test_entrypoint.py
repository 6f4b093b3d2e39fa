"""Layer 1 over real processes: a checkout it updates, and a program it keeps running.

The program is a small one with the same surface: it answers /health with its version, migrates a database
when its version wants that, and leaves with the code it is told to.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from waiting import eventually, free_port

pytestmark = pytest.mark.slow

ENTRYPOINT = Path(__file__).resolve().parents[3] / "scripts" / "entrypoint.sh"
SHELLS = [["dash"], ["busybox", "sh"]]

PROGRAM = """
import http.server, json, os, pathlib, signal, sqlite3, sys
VERSION, BEHAVIOUR = "{version}", "{behaviour}"
state = pathlib.Path(os.environ["PODUP_STATE_DIR"])
port = int(os.environ["PODUP_HTTP_ADDR"].rpartition(":")[2])
(state / "data").mkdir(parents=True, exist_ok=True)
db = sqlite3.connect(state / "data/pod-upgrade-trigger.db")
db.execute("create table if not exists things(version)")
db.execute("insert into things values (?)", (VERSION,)); db.commit()
if BEHAVIOUR == "migration-fails":
    db.execute("create table half(id)"); db.commit(); sys.exit(1)
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        body = json.dumps(dict(version=VERSION, pid=os.getpid())).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
signal.signal(signal.SIGHUP, lambda *a: os._exit(10))
if BEHAVIOUR == "crash": sys.exit(1)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
WRAPPER = """#!/bin/sh
case "$*" in *"-m pip"*)
    echo pip >>"$PODUP_STATE_DIR/pip.log"
    exec grep -qv broken "$(eval echo \\${{$#}})" ;;
esac
exec {python} "$@"
"""


def git(where: Path, *words: str) -> str:
    about = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *about, *words], cwd=where, check=True, capture_output=True, text=True
    ).stdout


class Place:
    def __init__(self, root: Path, shell: list[str]) -> None:
        self.state, self.code, self.origin = root / "state", root / "code", root / "origin"
        self.shell, self.port, self.process = shell, free_port(), None
        self.origin.mkdir()
        git(self.origin, "init", "-q")
        self.commit("1")
        git(root, "clone", "-q", str(self.origin), str(self.code))
        self.python = root / "python"
        self.python.write_text(WRAPPER.format(python=sys.executable))
        self.python.chmod(0o755)

    def commit(self, version: str, *, behaviour: str = "good", requirements: str = "one") -> str:
        package = self.origin / "podup"
        package.mkdir(exist_ok=True)
        (package / "__main__.py").write_text(PROGRAM.format(version=version, behaviour=behaviour))
        (self.origin / "requirements.txt").write_text(requirements + "\n")
        git(self.origin, "add", "-A")
        git(self.origin, "commit", "-qm", version)
        return git(self.origin, "rev-parse", "HEAD").strip()

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PODUP_STATE_DIR": str(self.state),
            "PODUP_HTTP_ADDR": f"127.0.0.1:{self.port}",
            "UPDATE_SOURCE": "git",
            "CODE_DIR": str(self.code),
            "PYTHON": str(self.python),
            "UPDATE_TRIAL_SECS": "4",  # twice that is the time a busy machine has to start it
        }

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*self.shell, str(ENTRYPOINT)],
            env=self.environment(),
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )

    def health(self) -> dict:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1) as answer:
                return json.load(answer)
        except OSError:
            return {}

    def wait_for(self, version: str) -> dict:
        return eventually(lambda: found if (found := self.health()).get("version") == version else {})

    def ask_for_update(self) -> None:
        os.kill(self.health()["pid"], signal.SIGHUP)

    def power_cut(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def is_settled(self) -> bool:
        return not (self.state / "code-update").exists()

    def history(self) -> str:
        path = self.state / "code-history"
        return path.read_text() if path.exists() else ""

    def rows(self) -> list[str]:
        cx = sqlite3.connect(self.state / "data/pod-upgrade-trigger.db")
        return [row[0] for row in cx.execute("select version from things")]


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def place(request, tmp_path):
    found = Place(tmp_path, request.param)
    found.start()
    found.wait_for("1")
    yield found
    os.killpg(found.process.pid, signal.SIGKILL)
    found.process.wait()


def test_normal_update(place):
    place.commit("2", requirements="two")
    place.ask_for_update()
    place.wait_for("2")
    eventually(place.is_settled)
    assert "succeeded" in place.history()
    assert len(list((place.state / "backups/auto_update").glob("code_backup_*.tar.gz"))) == 1
    assert len(list((place.state / "backups/auto_update").glob("*.db.*.bak"))) == 1


def test_pip_runs_only_when_the_requirements_change(place):
    for version, requirements in (("2", "two"), ("3", "two")):
        place.commit(version, requirements=requirements)
        place.ask_for_update()
        place.wait_for(version)
        eventually(place.is_settled)
    assert (place.state / "pip.log").read_text().count("pip") == 1


def test_git_fails(place):
    place.commit("2")
    place.origin.rename(place.origin.with_name("away"))
    place.ask_for_update()
    time.sleep(1)
    place.wait_for("1")
    assert place.is_settled() and place.history() == ""


def test_pip_fails(place):
    bad = place.commit("2", requirements="broken")
    place.ask_for_update()
    eventually(lambda: "pip failed" in place.history())
    place.wait_for("1")
    assert (place.state / "code-rejected").read_text().split() == [bad]
    assert (place.code / "requirements.txt").read_text() == "one\n"


def test_migration_fails(place):
    place.commit("2", behaviour="migration-fails")
    place.ask_for_update()
    eventually(lambda: "rolled back" in place.history())
    place.wait_for("1")
    assert place.rows() == ["1", "1"]
    tables = sqlite3.connect(place.state / "data/pod-upgrade-trigger.db").execute(
        "select count(*) from sqlite_master where name='half'"
    )
    assert tables.fetchone() == (0,)
    place.ask_for_update()
    time.sleep(1)
    place.wait_for("1")
    assert place.history().count("\n") == 1, "a commit that failed is not tried again"


def test_power_cut(place):
    place.commit("2", behaviour="crash")
    git(place.code, "fetch", "-q")
    old = git(place.code, "rev-parse", "HEAD").strip()
    new = git(place.code, "rev-parse", "origin/main").strip()
    place.power_cut()
    (place.state / "code-update").write_text(f"OLD={old}\nNEW={new}\nBACKUP=none\nDATABASE=none\n")
    git(place.code, "reset", "-q", "--hard", new)
    place.start()
    place.wait_for("1")
    assert place.is_settled() and "interrupted" in place.history()


def test_rollback_to_a_commit(place):
    first = git(place.code, "rev-parse", "HEAD").strip()
    place.commit("2")
    place.ask_for_update()
    place.wait_for("2")
    eventually(place.is_settled)
    asked = [*place.shell, str(ENTRYPOINT), "rollback", first]
    subprocess.run(asked, env=place.environment(), check=True)
    place.wait_for("1")
    eventually(place.is_settled)


def test_a_killed_program_is_started_again_and_signals_are_forwarded(place):
    os.kill(place.health()["pid"], signal.SIGKILL)
    eventually(lambda: not place.health())
    place.wait_for("1")
    os.kill(place.process.pid, signal.SIGTERM)
    assert place.process.wait(timeout=10) == 0
    assert not place.health()
    place.start()
