"""ruff and mypy agree, where they are installed (they are pinned in the dev extra)."""

import importlib.util
import subprocess
import sys

import pytest
from source_tree import ROOT


def _run(*argv: str) -> None:
    if importlib.util.find_spec(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed (pip install -e '.[dev]')")
    done = subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"


def test_ruff_is_clean() -> None:
    _run("ruff", "check", "--quiet", ".")


def test_mypy_strict_is_clean() -> None:
    _run("mypy", "--no-error-summary", "podup")
