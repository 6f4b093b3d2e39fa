"""No test run hangs, and shares are whole: what tests/conftest.py promises."""

import shutil
import subprocess
import sys
from pathlib import Path

from shares import shared_out
from source_tree import ROOT

WAITS_AND_LEAVES = """
import threading

def test_waits():
    threading.Event().wait()

def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait, name="the-left-one").start()
"""
KNOWN = "# seconds\ntest_it.py 12\ntest_[cd].py 8\n"


def test_what_waits_fails_there_and_what_is_left_does_not_keep_the_run_from_ending(tmp_path: Path) -> None:
    for name in ("conftest.py", "shares.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path)
    tmp_path.joinpath("test_it.py").write_text(WAITS_AND_LEAVES)
    options = ("-p", "no:cacheprovider", "--longest=3", "-o", "faulthandler_timeout=1")
    words = [sys.executable, "-m", "pytest", "-q", *options, str(tmp_path)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout
    assert "threading.Event().wait()" in done.stdout and "not done within 3 s" in done.stdout
    assert done.stderr.count("Timeout (") == 2, "before it failed, and of the thread at the end"
    assert "the-left-one" in done.stderr


def test_the_longest_begin_and_what_is_named_together_stays_together() -> None:
    files = {Path(f"test_{name}.py") for name in ("it", "a", "b", "c", "d")}
    share_of = {file.stem[5:]: share for file, share in shared_out(files, 2, KNOWN).items()}
    assert share_of == {"it": 0, "c": 1, "d": 1, "b": 1, "a": 0}
    assert set(shared_out(files, 1, "").values()) == {0}
