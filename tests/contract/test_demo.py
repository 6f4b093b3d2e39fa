"""The demo as anybody would start it: real processes on a simulated host, on any machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def demo(*arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "podup", "demo", *arguments],
        capture_output=True, text=True, timeout=180, cwd=ROOT, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": str(where), "TMPDIR": str(where)},
    )  # fmt: skip


def test_the_demo_deploys_takes_back_and_leaves_nothing_behind() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="d") as short:  # a socket's name has 107 bytes
        done = demo("--once", where=Path(short))
        left = list(Path(short).iterdir())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "simulated" in done.stdout.splitlines()[0]
    outcomes = [line.split(":")[0] for line in done.stdout.splitlines() if ", task " in line]
    assert outcomes == ["succeeded", "rolled back", "rolled back", "succeeded"]
    assert done.stderr.count("notice: ") == 3
    assert left == []


def test_whoever_ends_the_demo_in_the_middle_of_a_deployment_finds_nothing_left() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="d") as short:
        began = subprocess.Popen(
            [sys.executable, "-m", "podup", "demo", "--http-addr", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "HOME": short, "TMPDIR": short},
        )  # fmt: skip
        said = []
        for line in began.stdout or ():
            said.append(line)
            if "apply: " in line:
                began.send_signal(signal.SIGINT)
                break
        said += began.stdout or ()
        assert began.wait(timeout=60) == 0, "".join(said)
        assert "does not answer" not in "".join(said)
        assert list(Path(short).iterdir()) == []


def test_the_demo_does_not_listen_beyond_this_machine(tmp_path: Path) -> None:
    done = demo("--http-addr", "0.0.0.0:25299", where=tmp_path)
    assert done.returncode == 2
    assert "loopback" in done.stderr
