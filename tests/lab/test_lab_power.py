"""Everything is killed at once, in each state of an update, and the host starts again: the old or the new."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from labkit import power
from labkit.commands import eventually
from labkit.daemon import Daemon, daemon_running
from labkit.database import contents, lost
from labkit.releases import NEXT, Mirror, broken_version
from labkit.webhooks import request

from podup.files import FileLock

QUICK = {"PODUP_UPDATE_SETTLE_SECS": "3", "PODUP_UPDATE_TRIAL_SECS": "20"}
NEVER_SERVES = (
    "import sys\nif 'http-server' in sys.argv: raise SystemExit(1)\n"
    "from podup.__main__ import main\nsys.exit(main())\n"
)
ORDER = ["requested", "staged", "snapshot", "switching", "trial", "committing", "rolling-back"]


@pytest.fixture
def daemon(tmp_path: Path, releases: Mirror) -> Iterator[Daemon]:
    with daemon_running(tmp_path / "state", releases.settings() | QUICK) as running:
        yield running


def state(daemon: Daemon) -> str:
    try:
        return str(json.loads((daemon.state / "UPDATE_LOCK.json").read_bytes())["state"])
    except (OSError, ValueError):
        return ""


def cut_in(daemon: Daemon, at: str, update: subprocess.Popen[bytes]) -> str:
    """Cut the power as soon as the update is in `at`, or past it; return where it was."""
    deadline = time.monotonic() + 60
    while (seen := state(daemon)) == "" or ORDER.index(seen) < ORDER.index(at):
        if update.poll() is not None and at == "committing":
            break  # so short that a busy machine may miss it
        assert time.monotonic() < deadline and update.poll() is None, f"it never came to {at}"
        time.sleep(0.0005)
    power.cut(also=[update.pid])
    update.wait(30)
    return state(daemon)


def version(daemon: Daemon) -> str:
    return str(request(f"{daemon.url}/health").body["version"])


@pytest.mark.parametrize("at", ORDER)
def test_the_power_goes(daemon: Daemon, releases: Mirror, good: Path, tmp_path: Path, at: str) -> None:
    old, program = version(daemon), daemon.program.read_bytes()
    rows = contents(daemon.state)
    new = broken_version(good, NEVER_SERVES, tmp_path) if at == "rolling-back" else good
    releases.publish(NEXT, new)
    waits = FileLock(daemon.state / "tasks/tsk_runs.jsonl")  # an update waits for a task that runs
    if at == "staged":
        waits.path.parent.mkdir(exist_ok=True)
        assert waits.acquire()
    words = [str(daemon.program), "self-update"]
    update = subprocess.Popen(words, env=daemon.shell(), start_new_session=True)
    was = cut_in(daemon, at, update)
    waits.release()
    waits.path.unlink(missing_ok=True)
    power.on()
    daemon.start()
    eventually("nothing is open", lambda: not (daemon.state / "UPDATE_LOCK.json").exists(), timeout_s=60)
    eventually("it answers", daemon.is_healthy)
    print(f"cut in {was or 'the end'}, rests on {version(daemon)}")
    assert version(daemon) in (old, NEXT)
    assert daemon.program.read_bytes() == (program if version(daemon) == old else new.read_bytes())
    if was in ORDER[:5] or at == "rolling-back":
        assert version(daemon) == old, "before the verdict it is taken back"
    assert lost(daemon.state, rows) == {}
    marks = (".new.", ".tmp", ".aside", "update-scratch")
    places = (daemon.program.parent, daemon.state)
    assert [p for place in places for p in place.rglob("*") if any(mark in p.name for mark in marks)] == []
