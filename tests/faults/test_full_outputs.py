"""Commands and the daemon whose standard output or error stands on a full disk (/dev/full, full(4))."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
OK, FAILED, REFUSED = 0, 1, 3


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    runtime = tempfile.mkdtemp(prefix="podup-")  # short, for the control socket's path
    yield {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": runtime,
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere",
        "PODUP_STATE_DIR": str(tmp_path / "state"),
        "PODUP_HTTP_ADDR": "127.0.0.1:0",
    }
    shutil.rmtree(runtime)


def podup(environment: dict[str, str], *words: str, **streams: object) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "podup", *words]
    into = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(argv, env=environment, cwd=ROOT, timeout=60, check=False, **into)


@pytest.mark.parametrize("words", [("settings", "--json"), ("self-update", "rejected", "list"), ("history",)])
def test_a_result_nobody_gets_is_a_failure(environment: dict[str, str], words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = podup(environment, *words, stdout=full)
    assert done.returncode == FAILED and b"the result cannot be written: No space left" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"), [(("boot-guard",), OK), (("self-update",), REFUSED), (("history",), OK)]
)
def test_what_is_said_on_the_way_may_be_lost(
    environment: dict[str, str], words: tuple[str, ...], code: int
) -> None:
    with open("/dev/full", "wb") as full:
        assert podup(environment, *words, stderr=full).returncode == code


def test_the_daemons_duties_go_on_though_nothing_takes_its_log(
    environment: dict[str, str], tmp_path: Path
) -> None:
    reports = tmp_path / "state/self-update-reports"
    reports.mkdir(parents=True)
    argv = [sys.executable, "-m", "podup", "http-server"]
    with open("/dev/full", "wb") as full:
        daemon = subprocess.Popen(argv, env=environment, cwd=ROOT, stdout=full, stderr=full)
    try:
        (reports / "self-update-1-1.json").write_text("rubbish, which the log tells of")
        soon(lambda: (reports / "self-update-1-1.json.bad").exists())
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=20) == 0
    finally:
        daemon.kill()


def soon(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 90  # reports are looked for once a minute
    while not look():
        assert time.monotonic() < end
        time.sleep(0.1)
