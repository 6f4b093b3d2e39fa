"""What we hold dies with us: no lock, journal or database reaches what we start, or what that leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podup.files import FileLock, is_locked

OWNER = """
import os, sys, time
from pathlib import Path
from podup.clock import SystemClock
from podup.files import FileLock, JournalWriter
from podup.host.run import Command, Detached, HostRunner
from podup.store.migrations import open_current

state = Path(sys.argv[1])
lock = FileLock(state / "daemon.lock", what="owner")
assert lock.acquire()
journal = JournalWriter(state / "task.jsonl")
journal.write({"type": "begin"})
database, _ = open_current(state / "podup.db", lock=lock, version="1.0.0", now=0.0, backups=state / "backups")
for name in os.listdir("/proc/self/fd"):
    try:
        os.set_inheritable(int(name), True)  # as if somebody had forgotten close-on-exec
    except OSError:
        pass
environment = {"PATH": os.environ["PATH"]}
script = "setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $!; ls -l /proc/$$/fd >&2"
done = HostRunner(SystemClock(), environment).run(Command(("sh", "-c", script), mutates=True))
left = Detached(("sleep", "60"), environment)
print(done.stdout.strip(), left.pid, done.stderr.count(str(state)), flush=True)
time.sleep(60)
"""


def held_below(pid: int, place: Path) -> list[str]:
    """Return the open files of a process that lie below `place`."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return [link for link in links if link.startswith(str(place))]


@pytest.fixture
def survivors() -> Iterator[list[int]]:
    """What has to be ended after the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_killed_owner_leaves_children_without_anything_of_ours(
    tmp_path: Path, survivors: list[int]
) -> None:
    place, words = tmp_path.resolve(), [sys.executable, "-c", OWNER]
    owner = subprocess.Popen([*words, str(place)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        grandchild, detached, in_child = map(int, owner.stdout.readline().split())
        survivors += [grandchild, detached]
        names = {Path(link).name for link in held_below(owner.pid, place)}
        assert {"daemon.lock", "task.jsonl", "podup.db"} <= names, "the owner holds all three"
        assert is_locked(place / "daemon.lock") and is_locked(place / "task.jsonl")
    finally:
        owner.kill()
        owner.wait(30)
    assert in_child == 0
    for pid in survivors:
        assert held_below(pid, place) == []
    assert not is_locked(place / "daemon.lock") and not is_locked(place / "task.jsonl")
    with FileLock(place / "daemon.lock", what="the next"):
        pass
