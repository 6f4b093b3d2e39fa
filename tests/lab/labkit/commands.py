"""Running a command, and waiting for something to be so; both with a deadline."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def run(*argv: str, timeout_s: float = 60.0, check: bool = True) -> str:
    """Its standard output. Raises AssertionError with all it said when it fails, unless `check` is False."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def eventually(what: str, look: Callable[[], T], *, timeout_s: float = 20.0) -> T:
    """The first truthy answer of `look`. Raises AssertionError naming `what` when none comes in time."""
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last seen: {seen!r})")
        time.sleep(0.05)
    return seen


def steadily(what: str, look: Callable[[], object], *, for_s: float) -> None:
    """Raises AssertionError when `look` is falsy once within `for_s` seconds."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        assert look(), f"no longer so: {what}"
        time.sleep(0.1)
