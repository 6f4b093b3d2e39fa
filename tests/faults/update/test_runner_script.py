"""The script that always leaves a report, by dash and busybox: however the updater ends, and what it says."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import ROOT

from podup.core.states import Status
from podup.update.reports import Report, waiting

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "scripts/self-update-runner.sh"
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}
Run = Callable[..., subprocess.CompletedProcess[str]]
SAYS = r"""printf 'a "quote", a \\backslash\\, a\ttab, \001\033[1m, \303\251, \377 and more\n' >&2"""


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.skipif(not shutil.which(words[0]), reason=f"no {name} here"))
        for name, words in SHELLS.items()
    ]
)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run the script with an updater that does what these lines of sh(1) say."""

    def running(lines: str, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        updater = tmp_path / "updater"
        updater.write_text(f"#!/bin/sh\n{lines}\n")
        updater.chmod(0o755)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PODUP_STATE_DIR": str(tmp_path / "state"),
            "UPDATE_SCRIPT": str(updater),
            "TARGET_BIN": '/opt/a "strange" place/program',
            **settings,
        }
        argv = [*SHELLS[request.param], str(SCRIPT), *words]
        how = {"capture_output": True, "text": True, "errors": "replace", "timeout": 30}
        return subprocess.run(argv, env=environment, check=False, **how)

    return running


def the_report(tmp_path: Path) -> Report:
    [found] = waiting(tmp_path / "state/self-update-reports")
    assert isinstance(found, Report), found
    return found


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (0, Status.SUCCEEDED),
        (1, Status.FAILED),
        (3, Status.FAILED),
        (75, Status.SKIPPED),
        (126, Status.FAILED),
        (137, Status.FAILED),
    ],
)
def test_a_report_is_left_when_the_updater_leaves_none(
    run: Run, tmp_path: Path, ends: int, status: Status
) -> None:
    done = run(f"{SAYS}; exit {ends}", "--dry-run")
    assert done.returncode == ends
    report = the_report(tmp_path)
    assert (report.status, report.exit_code, report.dry_run) == (status, ends, True)
    assert report.binary_path == '/opt/a "strange" place/program'
    assert 'a "quote", a \\backslash\\, a\ttab, [1m, é, ' in report.stderr_tail
    assert report.finished_at >= report.started_at > 0 and report.runner_host and report.runner_pid


def test_the_updaters_own_report_stays(run: Run, tmp_path: Path) -> None:
    """Also when the daemon took it away in the meantime."""
    for suffix in ("", ".imported", ".bad"):
        done = run(f'echo "{{}}" >"$2{suffix}"; exit 4')
        assert done.returncode == 4, done
        [path] = (tmp_path / "state/self-update-reports").iterdir()
        assert (path.read_text(), path.name.endswith(f".json{suffix}")) == ("{}\n", True)
        path.unlink()


def test_long_output_is_cut_and_stays_json(run: Run, tmp_path: Path) -> None:
    done = run("i=0; while [ $i -lt 3000 ]; do echo 'é\\\\\"é' >&2; i=$((i + 1)); done; exit 1")
    assert done.returncode == 1 and done.stderr.count("\n") == 3000
    assert 100 < len(the_report(tmp_path).stderr_tail) <= 4000


def test_a_killed_updater_is_told_and_a_signal_reaches_it(run: Run, tmp_path: Path) -> None:
    assert run("kill -9 $$").returncode == 137
    assert the_report(tmp_path).exit_code == 137


def test_settings_are_found_where_the_daemon_has_them(run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    env = tmp_path / "service.env"
    env.write_text(f'# said\nPODUP_SELF_UPDATE_REPORT_DIR="{elsewhere}"\n')
    assert run("exit 1", PODUP_ENV_FILE=str(env), PODUP_SELF_UPDATE_DRY_RUN="on").returncode == 1
    [path] = elsewhere.iterdir()
    assert json.loads(path.read_text())["dry_run"] is True
