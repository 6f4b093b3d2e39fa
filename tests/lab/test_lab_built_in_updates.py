"""The built-in thread: updates by cron, as a dry run, through a command, and off with a wrong expression.

Cron goes by the clock on the wall, so a time zone some seconds off lets the next minute begin when it suits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from labkit.commands import eventually
from labkit.daemon import UNIT, Daemon, daemon_running
from labkit.releases import NEXT, Mirror, mirror
from labkit.services import systemctl
from labkit.webhooks import request

RUNS = "podup-self-update*"
RUNNER = Path("scripts/self-update-runner.sh")
EVERY_MINUTE = {"PODUP_SELF_UPDATE_CRON": "*/1 * * * *"}
QUICK = {"PODUP_UPDATE_SETTLE_SECS": "3", "PODUP_UPDATE_TRIAL_SECS": "20"}
Start = Callable[..., Daemon]


def minute_begins_in(seconds: int) -> dict[str, str]:
    """A time zone in which it does."""
    return {"TZ": f"LAB-00:00:{(60 - seconds - int(time.time())) % 60:02}"}


@pytest.fixture
def releases(good: Path) -> Iterator[Mirror]:
    with mirror() as found:
        found.publish(NEXT, good)
        yield found


@pytest.fixture
def started(tmp_path: Path, releases: Mirror) -> Iterator[Start]:
    """Start the daemon with settings of its own; it looks at the mirror."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(
            daemon_running(tmp_path / "state", releases.settings() | QUICK | settings)
        )


def version(daemon: Daemon) -> str:
    try:
        return str(request(f"{daemon.url}/health").body["version"])
    except OSError:
        return ""


def reports(daemon: Daemon) -> list[dict[str, object]]:
    found = sorted((daemon.state / "self-update-reports").glob("self-update-*.json*"))
    return [json.loads(path.read_text()) for path in found]


def test_the_built_in_thread_updates(started: Start, good: Path) -> None:
    daemon = started(**EVERY_MINUTE, **minute_begins_in(6))
    eventually("the next version answers", lambda: version(daemon) == NEXT, timeout_s=90)
    eventually("it stays", lambda: reports(daemon), timeout_s=60)
    [report, *_later] = reports(daemon)
    assert (report["status"], report["to"], report["dry_run"]) == ("succeeded", NEXT, False)
    assert report["actor"] == "cron"
    assert daemon.program.read_bytes() == good.read_bytes()


@pytest.mark.parametrize("command", ["", str(RUNNER.resolve())], ids=["built-in", "command"])
def test_a_dry_run_by_cron_checks_and_changes_nothing(started: Start, command: str) -> None:
    only_check = {"PODUP_SELF_UPDATE_DRY_RUN": "on", "PODUP_SELF_UPDATE_COMMAND": command}
    daemon = started(**EVERY_MINUTE, **only_check, **minute_begins_in(4))
    before = version(daemon), daemon.program.stat()
    eventually("it leaves a report", lambda: reports(daemon), timeout_s=60)
    report = reports(daemon)[0]
    assert (report["status"], report["to"], report["dry_run"]) == ("planned", NEXT, True)
    assert (version(daemon), daemon.program.stat()) == before
    daemon.stop()
    eventually("the run is over", lambda: not systemctl("list-units", "--plain", "--no-legend", RUNS).strip())
    assert systemctl("is-active", UNIT, check=False).strip() == "inactive", "who stops it meanwhile is obeyed"


def test_a_wrong_expression_is_a_warning_and_the_thread_stays_off(started: Start) -> None:
    daemon = started(PODUP_SELF_UPDATE_CRON="99 * * * *")
    assert "PODUP_SELF_UPDATE_CRON is wrong and the built-in updates stay off" in daemon.journal()
    assert daemon.is_healthy()
