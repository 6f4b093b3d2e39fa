"""No test run hangs: what tests/conftest.py promises, on runs of tests that would."""

import subprocess
import sys
from pathlib import Path

from source_tree import ROOT

WAITS = """
import threading

def test_waits():
    threading.Event().wait()

def test_goes_on():
    pass
"""
LEAVES_A_THREAD = """
import threading

def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait, name="the-left-one").start()
"""


def run(directory: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    directory.joinpath("test_it.py").write_text(text)
    directory.joinpath("conftest.py").write_bytes((ROOT / "tests/conftest.py").read_bytes())
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(directory)]
    return subprocess.run(words, cwd=directory, capture_output=True, text=True, timeout=120)


def test_a_test_that_waits_fails_there_and_the_next_one_runs(tmp_path: Path) -> None:
    done = run(tmp_path, WAITS, "--longest=1", "-o", "faulthandler_timeout=0.5")
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout
    assert "threading.Event().wait()" in done.stdout and "not done within 1 s" in done.stdout
    assert "Timeout (" in done.stderr and "test_it.py" in done.stderr, "the stacks, before"


def test_a_thread_that_is_left_does_not_keep_the_run_from_ending(tmp_path: Path) -> None:
    done = run(tmp_path, LEAVES_A_THREAD, "--longest=2")
    assert done.returncode == 1 and "1 passed" in done.stdout
    assert "the-left-one" in done.stderr and "Timeout (" in done.stderr


def test_every_file_is_in_one_share(tmp_path: Path) -> None:
    tmp_path.joinpath("seconds.txt").write_text("# seconds\ntest_it.py 9\ntest_c.py 4.5\n")
    for name in "abcd":
        tmp_path.joinpath(f"test_{name}.py").write_text(f"def test_{name}():\n    pass\n")
    text = "def test_it():\n    pass\n"
    first, second = (run(tmp_path, text, "--share", share, "-vv").stdout for share in ("1/2", "2/2"))
    assert "test_it PASSED" in first and "test_c PASSED" in second
    assert first.count("PASSED") + second.count("PASSED") == 5
    assert abs(first.count("PASSED") - second.count("PASSED")) == 1
