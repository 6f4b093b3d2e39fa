"""Real processes: what the runner promises of a command, and of a process that outlives its starter."""

import os
import sys
import time
from ast import literal_eval
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from podup.clock import SystemClock
from podup.errors import Busy, Invalid, PodupError, Unavailable
from podup.host import run as host_run
from podup.host.run import Command, Completed, Detached, HostRunner, Private
from podup.host.task_process import ChildTasks

PATH = {"PATH": os.environ["PATH"]}
TASK = "tsk_abcdefgh"


@pytest.fixture
def runner() -> HostRunner:
    return HostRunner(SystemClock(), PATH)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", code)


def eventually(what: str, look: Callable[[], object], *, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_is_told_in_full(runner: HostRunner) -> None:
    lines: list[str] = []
    code = "import sys; print(sys.stdin.read().upper()); print('a\\nb', file=sys.stderr); sys.exit(3)"
    done = runner.run(Command(python(code), mutates=False, stdin=b"hello", on_line=lines.append))
    assert (done.exit, done.stdout, done.stderr) == (3, "HELLO\n", "a\nb\n")
    assert lines == ["a", "b"]
    assert done.duration_ms > 0
    assert not done.truncated
    with pytest.raises(PodupError, match="it failed: b"):
        done.check("failed", "it failed")


def test_what_cannot_be_started_ends_with_127(runner: HostRunner) -> None:
    done = runner.run(Command(("/nowhere/program",), mutates=False))
    assert done.exit == 127
    assert "/nowhere/program" in done.stderr
    assert runner.run(Command(("echo", "a\0b"), mutates=False)).exit == 127


def test_the_environment_is_only_what_was_given(runner: HostRunner) -> None:
    os.environ["PODUP_CONTRACT_SECRET"] = "leaked"
    try:
        done = runner.run(Command(("env",), mutates=False, env={"ADDED": "yes"}))
    finally:
        del os.environ["PODUP_CONTRACT_SECRET"]
    assert {line.partition("=")[0] for line in done.stdout.splitlines()} == {"PATH", "ADDED"}


def test_no_descriptor_reaches_a_command(runner: HostRunner) -> None:
    with open("/dev/null") as held:
        os.set_inheritable(held.fileno(), True)
        lists = python("import os; print(sorted(os.listdir('/proc/self/fd')))")
        done = runner.run(Command(lists, mutates=False))
    assert done.stdout == "['0', '1', '2', '3']\n"  # 3 is the directory that is listed


def test_time_is_up_for_the_command_and_its_children(runner: HostRunner, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! > {pids}; echo $$ >> {pids}; wait"
    started = time.monotonic()
    done = runner.run(Command(("sh", "-c", script), mutates=False, timeout_s=0.3))
    assert time.monotonic() - started < 3
    assert done.exit == 124
    assert "stopped after 0.3 s" in done.stderr
    for pid in map(int, pids.read_text().split()):
        eventually(f"{pid} ended", lambda pid=pid: not is_alive(pid))


def test_whole_files_go_past_this_process(runner: HostRunner, tmp_path: Path) -> None:
    source, sink = tmp_path / "source", tmp_path / "sink"
    source.write_bytes(b"\0\xff" * 100_000)
    heard: list[Completed] = []
    with open(sink, "wb") as written:
        copy = Command(("cat",), mutates=True, stdin=source, stdout=written)
        done = Private(runner, heard.append).run(copy)
    assert (done.ok, done.stdout, sink.read_bytes()) == (True, "", source.read_bytes())
    gone = runner.run(Command(("cat",), mutates=False, stdin=tmp_path / "gone"))
    assert gone.exit == 127


def test_what_is_private_is_heard_of_without_its_output(runner: HostRunner) -> None:
    heard: list[Completed] = []
    secret = Command(("sh", "-c", "echo secret; echo why >&2; exit 3"), mutates=False)
    assert Private(runner, heard.append).run(secret).stdout == "secret\n"
    [told] = heard
    assert (told.command, told.exit, told.stdout, told.stderr) == (secret, 3, "", "why\n")


def test_a_command_that_ignores_the_signal_is_killed(runner: HostRunner) -> None:
    deaf = ("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    done = runner.run(Command(deaf, mutates=False, timeout_s=0.2))
    assert done.exit == 124


def test_a_grandchild_that_keeps_the_streams_is_not_waited_for(runner: HostRunner) -> None:
    started = time.monotonic()
    done = runner.run(Command(("sh", "-c", "setsid sleep 8 & echo ready"), mutates=False))
    assert done.stdout == "ready\n"
    assert time.monotonic() - started < 7


def test_of_endless_output_the_newest_is_kept(runner: HostRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_run, "KEEP_BYTES", 1000)
    done = runner.run(Command(python("print('x' * 5000); print('the end')"), mutates=False))
    assert done.truncated
    assert done.stdout.endswith("the end\n")
    assert len(done.stdout) == 1000


def test_a_command_ends_though_nobody_can_hear_it_any_more(runner: HostRunner) -> None:
    def hear(line: str) -> None:
        heard.append(line)
        raise Unavailable("file-write-failed", "no room")

    heard: list[str] = []
    chatty = python("import sys; sys.stderr.write('line\\n' * 100_000)")
    started = time.monotonic()
    with pytest.raises(Unavailable):
        runner.run(Command(chatty, mutates=False, timeout_s=20.0, on_line=hear))
    assert time.monotonic() - started < 10
    assert heard == ["line"]


def test_a_detached_process_has_a_session_of_its_own_and_nothing_of_ours(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code = f"""
import os, time
fds = [os.readlink('/proc/self/fd/' + fd) for fd in '012']
opened = len(os.listdir('/proc/self/fd'))
text = repr((os.getsid(0) == os.getpid(), fds, opened, os.getcwd(), dict(os.environ)))
open({str(seen)!r} + '.new', 'w').write(text)
os.rename({str(seen)!r} + '.new', {str(seen)!r})
time.sleep(60)
"""
    process = Detached(python(code), {"ONLY": "this"})
    eventually("it wrote", seen.exists)
    is_leader, streams, opened, directory, environment = literal_eval(seen.read_text())
    assert is_leader
    assert streams == ["/dev/null"] * 3
    assert opened <= 4
    assert directory == "/"
    assert environment.pop("ONLY") == "this"
    assert set(environment) <= {"LC_CTYPE"}
    assert process.is_alive()
    process.end(within_s=2)
    assert not process.is_alive()


def test_the_end_of_a_detached_process_ends_the_commands_it_runs(tmp_path: Path) -> None:
    """Its commands have sessions of their own, as `HostRunner` starts them."""
    pids = tmp_path / "pids"
    command = f"setsid sh -c 'echo $$ >> {pids}; sleep 60'"
    stubborn = f"trap '' TERM; {command} & echo $$ >> {pids}; wait; sleep 60"
    process = Detached(("sh", "-c", stubborn), PATH)
    eventually("both wrote", lambda: pids.exists() and len(pids.read_text().split()) == 2)
    process.end(within_s=0.2)
    for pid in map(int, pids.read_text().split()):
        eventually(f"{pid} ended", lambda pid=pid: not is_alive(pid))


def test_what_cannot_be_detached_says_so() -> None:
    with pytest.raises(PodupError) as failed:
        Detached(("/nowhere/program",), {})
    assert failed.value.code == "process-not-started"


def test_tasks_as_children() -> None:
    tasks = ChildTasks(PATH)
    assert not tasks.is_alive(TASK)
    tasks.stop(TASK)
    tasks.start(TASK, ("sleep", "60"))
    assert tasks.is_alive(TASK)
    with pytest.raises(Busy):
        tasks.start(TASK, ("sleep", "60"))
    tasks.stop(TASK)
    assert not tasks.is_alive(TASK)
    tasks.start(TASK, ("true",))
    eventually("it ended", lambda: not tasks.is_alive(TASK))
    with pytest.raises(Invalid):
        tasks.start("../../etc", ("true",))


def test_a_task_that_has_ended_leaves_no_zombie() -> None:
    before = zombies()
    tasks = ChildTasks(PATH)
    tasks.start(TASK, ("true",))
    eventually("it is one until somebody looks", lambda: zombies() - before)
    eventually("it was let go", lambda: not tasks.reap())
    assert zombies() - before == set()


def zombies() -> set[str]:
    """The processes of ours that ended and nobody asked about."""
    found: set[str] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            process, _, rest = path.read_text().rpartition(")")
            if rest.split()[:2] == ["Z", str(os.getpid())]:
                found.add(process)
    return found
