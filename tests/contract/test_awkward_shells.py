"""Commands where the shell or the machine is not as one would like: told in words, never by a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534


def podup(
    words: str,
    *,
    home: Path,
    shell: str = "",
    user: int | None = None,
    python: str = sys.executable,
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    """Run a command line of the program, with redirections of the shell behind it."""
    command = f'exec "$0" -m podup {words} {shell}'
    return subprocess.run(
        ["/bin/sh", "-c", command, python],
        capture_output=True, text=True, timeout=60, cwd=ROOT, stdin=subprocess.DEVNULL, user=user,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), **settings},
    )  # fmt: skip


@pytest.mark.parametrize("words", ["--version", "tasks list"])
def test_a_closed_stream_is_not_missed(words: str, tmp_path: Path) -> None:
    for closed in (">&-", "<&- >&- 2>&-"):
        done = podup(words, home=tmp_path, shell=closed)
        assert (done.returncode, done.stderr) == (0, ""), closed


@pytest.mark.parametrize("words", ["--version", "--help", "deploy --help"])
def test_a_result_nobody_can_take_is_told_of(words: str, tmp_path: Path) -> None:
    done = podup(words, home=tmp_path, shell="> /dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("pod-upgrade-trigger: the result cannot be written: No space left")


@pytest.mark.parametrize("words", ["uninstall", "install"])
@pytest.mark.parametrize("shell", ["</dev/null", "<&-"])
def test_where_nobody_answers_the_answer_is_no(words: str, shell: str, tmp_path: Path) -> None:
    done = podup(words, home=tmp_path, shell=shell)
    assert done.returncode == 3
    assert done.stderr.endswith("[y/N] nothing was done; --yes agrees without being asked\n")
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_another_machine_is_told_from_one_in_use(tmp_path: Path) -> None:
    done = podup("http-server --http-addr 192.0.2.1:2511", home=tmp_path)
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1:2511: Cannot assign requested address\nhint: is it of" in done.stderr


def other_user() -> int | None:
    """Whom root has to become for a mode to mean something; None for everybody else."""
    return NOBODY if os.geteuid() == 0 else None


def interpreter() -> str:
    """A Python that user may start and the source of which that user may read; empty when there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run(
                [python, "-c", "import sys, podup; sys.exit(sys.version_info < (3, 11))"],
                cwd=ROOT, user=other_user(), capture_output=True, check=True, timeout=60,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    return ""


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        ("tasks list", "PODUP_STATE_DIR={}/state"),
        ("services", "PODUP_DB_URL={}/x.db"),
        ("boot-guard", "PODUP_STATE_DIR={}/state"),
        ("uninstall --dry-run", "TARGET_BIN={}/bin"),
        ("install --export {}/x", "LANG=C"),
        ("doctor", "PODUP_STATE_DIR={}/state"),
    ],
)
def test_a_place_one_may_not_look_into_is_named(words: str, setting: str) -> None:
    python = interpreter()
    if not python:
        pytest.skip("root's Python and source are out of the reach of other users")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="locked") as locked:
        shut, home = Path(locked, "shut"), Path(locked, "home")
        shut.mkdir(mode=0o000)
        home.mkdir()
        if other_user() is not None:
            os.chown(home, NOBODY, NOBODY)
        Path(locked).chmod(0o755)
        name, _, value = setting.format(shut).partition("=")
        done = podup(words.format(shut), home=home, user=other_user(), python=python, **{name: value})
        shut.chmod(0o700)
    assert done.returncode == 1, done.stderr
    said = done.stderr + done.stdout
    assert f"cannot use {shut}" in said and "Permission denied" in said
    assert "check its owner and mode" in said and "Traceback" not in said
