"""Layer 1 and the program in a checkout (source git), over real processes.

Normal update, git fails, pip fails, power cut, migration fails, maintenance mode: each by dash and busybox.
"""

import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess

import pytest
from checkouts import (
    CRASHES,
    DIES_SOON,
    EXITS_10,
    MIGRATION,
    PARTS,
    ROOT,
    SECRET,
    SHELLS,
    Place,
    commit,
    git,
)
from waiting import eventually

pytestmark = pytest.mark.slow

one_shell = pytest.mark.parametrize("place", ["busybox"], indirect=True)


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
    assert (place.state / "pip.log").read_text().count("pip") == 3, "at the start, and when the file changed"
    assert place.update() == 0 and place.outcomes()[2:] == [], "nothing newer, nothing done"


def test_git_fails(place):
    before = place.head()
    place.commit("1.1.0")
    place.origin.rename(place.origin.with_name("away"))
    assert place.update() == 1
    assert place.is_at_rest("1.0.0") and place.head() == before


def test_pip_fails(place):
    before, pid = place.head(), place.pid()
    (place.code / "unknown-to-git").write_text("stays")
    place.commit("1.1.0", needs="broken")
    assert place.update() == 1
    assert place.is_at_rest("1.0.0") and place.head() == before
    assert place.pid() == pid, "nothing was touched: the packages are tried out first"
    assert (place.code / "requirements.txt").read_text() == "one\n"
    assert (place.code / "unknown-to-git").read_text() == "stays"
    assert place.update() == 3, "what failed is not tried again by itself"
    assert place.outcomes() == [("1.1.0", "failed")]


@one_shell
def test_pip_fails_while_the_network_is_away(place):
    """That says nothing of the commit: it is put off, and taken once the network is back."""
    pid = place.pid()
    (place.state / "away").write_text("")
    new = place.commit("1.1.0", needs="two")
    for _ in range(4):
        assert place.update() == 1
    assert place.is_at_rest("1.0.0") and place.pid() == pid
    assert "put off: what it needs cannot be installed" in (place.state / "update.log").read_text()
    assert place.update("--automatic") == 0 and place.outcomes()[4:] == [], "not yet again by itself"
    (place.state / "away").unlink()
    assert place.update() == 0 and place.head() == new


@one_shell
def test_pip_fails_in_the_middle_of_the_switch(place):
    """The packages could be had a moment ago: all is put back, and it is tried once more."""
    before, quick = place.head(), place.python.read_text()
    place.python.write_text(quick.replace("found=", 'case "$*" in *--target*) exit 0 ;; esac; found='))
    place.commit("1.1.0", needs="broken")
    assert place.update() == 4 and place.is_at_rest("1.0.0") and place.head() == before
    assert (place.code / "requirements.txt").read_text() == "one\n"
    assert place.update() == 4, "once more"
    assert place.update() == 3, "and not for ever"
    assert place.is_at_rest("1.0.0") and place.head() == before


def test_migration_fails(place):
    """The dry start finds it and nothing is touched, also where the commit needs other packages."""
    tables, before, pid = place.tables(), place.head(), place.pid()
    place.commit("1.1.0", migration=f"{MIGRATION}CREATE TABLE half (id INTEGER) STRICT;\n")
    assert place.update() == 1
    assert place.is_at_rest("1.0.0") and place.pid() == pid, "the service was not stopped"
    assert place.head() == before and place.tables() == tables
    assert place.update() == 3, "what failed is not tried again by itself"
    place.commit("1.2.0", needs="two")
    assert place.update() == 1
    assert place.is_at_rest("1.0.0") and place.tables() == tables and place.pid() == pid
    assert place.update() == 3
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
    waits = 'echo $$ >"$PODUP_STATE_DIR/pip.pid"; exec sleep 60'
    stalls = f'case "$*" in *--target*) ;; *) {waits} ;; esac; for last'
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
