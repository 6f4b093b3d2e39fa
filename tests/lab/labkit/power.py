"""The power of the lab's host: everything its user's manager runs is gone at once, and a new manager starts.

What stays is what was on the disk; the runtime directory keeps stale sockets, which is harsher than a boot.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from labkit.commands import eventually, run

CGROUPS = Path("/sys/fs/cgroup/user.slice")


def manager_cgroup() -> Path:
    return CGROUPS / f"user-{os.getuid()}.slice/user@{os.getuid()}.service"


def cut(also: Iterable[int] = ()) -> None:
    """SIGKILL for the manager first, so that it starts nothing anew, then for all it ran, and for `also`."""
    while pids := processes():
        for pid in pids:
            end(pid)
        for pid in also:
            end(pid)


def processes() -> list[int]:
    """Return all below the manager, itself first."""
    found: list[int] = []
    for path in (manager_cgroup() / "init.scope", *sorted(manager_cgroup().rglob("*/"))):
        with suppress(OSError):
            found += [int(line) for line in (path / "cgroup.procs").read_text().split()]
    return list(dict.fromkeys(found))


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def on() -> None:
    """Start a manager where a login does."""
    scope = manager_cgroup() / "init.scope"
    subprocess.Popen(
        ["/lib/systemd/systemd", "--user", "--log-target=journal"],
        preexec_fn=lambda: (scope / "cgroup.procs").write_text(str(os.getpid())) and None,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd="/",
    )
    eventually("the user's systemd is up", is_on, timeout_s=60)


def is_on() -> bool:
    state = run("systemctl", "--user", "is-system-running", check=False)
    return state in ("running", "degraded")
