"""The only place that starts processes.

Commands are tuples of arguments and never pass through a shell. The environment of a child is explicit.
The newest part of each stream is kept, the rest counted and dropped, so a chatty command cannot fill the
memory. A command says whether it mutates the machine; `ReadOnly` refuses those that do, which is what
makes a dry run one. No descriptor but the three standard ones reaches a child (conmon would keep it).
"""

import os
import select
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from podup.clock import Clock
from podup.errors import PodupError, Refused
from podup.late import late
from podup.records import dataclass, field, replace

if TYPE_CHECKING:
    import subprocess
else:
    subprocess = late("subprocess")

KEEP_BYTES = 16 * 1024 * 1024
NOT_STARTED = 127
_TIMED_OUT = 124


class OpenFile(Protocol):
    """A file open for writing."""

    def fileno(self) -> int:
        """Return its descriptor."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, how long at most, and whether it changes the machine.

    A file as `stdin` or `stdout` is read or written by the command itself: no pipe stands between, so its
    exit code is the whole truth about the file. `env` is added to the runner's base environment; `on_line`
    hears each line of stderr as it comes.
    """

    argv: tuple[str, ...]
    mutates: bool
    timeout_s: float = 30.0
    stdin: bytes | Path | None = field(default=None, repr=False)
    stdout: OpenFile | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    on_line: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended: exit 127 when it could not be started, 124 when its time was up."""

    command: Command
    exit: int
    stdout: str
    stderr: str
    duration_ms: int
    truncated: bool = False

    @property
    def ok(self) -> bool:
        return self.exit == 0

    @property
    def timed_out(self) -> bool:
        return self.exit == _TIMED_OUT

    def check(self, code: str, message: str, hint: str = "") -> "Completed":
        """Return self, or raise PodupError with the last line the command printed."""
        if self.ok:
            return self
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        raise PodupError(code, f"{message}: {lines[-1] if lines else f'exit {self.exit}'}", hint)


class Runner(Protocol):
    """Runs commands on the managed machine, or on a simulated one."""

    def run(self, command: Command) -> Completed:
        """Run it to its end; never raises for a command that fails, only what `on_line` raised."""


class HostRunner:
    """Runs commands as children of this process, each in a session of its own.

    `base_env` is the whole environment of a child but for what a command adds.
    """

    def __init__(self, clock: Clock, base_env: Mapping[str, str]) -> None:
        self._clock = clock
        self._base_env = dict(base_env)

    def run(self, command: Command) -> Completed:
        started = self._clock.monotonic()
        try:
            with _opened(command.stdin) as reading:
                child = subprocess.Popen(
                    command.argv,
                    stdin=reading,
                    stdout=subprocess.PIPE if command.stdout is None else command.stdout.fileno(),
                    stderr=subprocess.PIPE,
                    env={**self._base_env, **command.env},
                    close_fds=True,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            return Completed(command, NOT_STARTED, "", f"{command.argv[0]}: {error}", 0)
        try:
            streams = (_Tail(child.stdout, None), _Tail(child.stderr, command.on_line))
            timed_out = _wait(child, command)
        except BaseException:
            _end(child)
            raise
        for stream in streams:
            stream.join()
        return Completed(
            command,
            _TIMED_OUT if timed_out else child.returncode,
            streams[0].text(),
            streams[1].text() + (f"\nstopped after {command.timeout_s:g} s" if timed_out else ""),
            round((self._clock.monotonic() - started) * 1000),
            any(stream.dropped for stream in streams),
        )


class Detached:
    """A process that outlives this one: a session of its own, no descriptor of ours, streams to nowhere.

    Raises PodupError `process-not-started` when it cannot be started.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        try:
            self._child = subprocess.Popen(
                tuple(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(env),
                cwd="/",
                close_fds=True,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise PodupError("process-not-started", f"{argv[0]} could not be started: {error}") from None

    @property
    def pid(self) -> int:
        return self._child.pid

    def is_alive(self) -> bool:
        """Return whether it runs; reaps it when it has ended."""
        return self._child.poll() is None

    def end(self, *, within_s: float) -> None:
        """Ask it to end, then end its session and what its children started, each at most `within_s`."""
        sessions = _sessions_below(self._child.pid)
        _signal_group(self._child.pid, signal.SIGTERM)
        try:
            self._child.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            sessions |= _sessions_below(self._child.pid)
            _signal_group(self._child.pid, signal.SIGKILL)
            self._child.wait()
        for leader in sessions:
            _signal_group(leader, signal.SIGKILL)


class ReadOnly:
    """A runner that refuses every command that mutates: what a dry run is given."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def run(self, command: Command) -> Completed:
        if command.mutates:
            raise Refused("dry-run", f"a dry run does not run {' '.join(command.argv)}")
        return self._runner.run(command)


class Recorded:
    """A runner that tells `heard` of every command and what it printed."""

    def __init__(self, runner: Runner, heard: Callable[[Completed], None]) -> None:
        self._runner = runner
        self._heard = heard

    def run(self, command: Command) -> Completed:
        done = self._runner.run(command)
        self._heard(done)
        return done


class Private:
    """A runner whose output is for the caller alone, as it may hold the environment of containers.

    `heard` is told of every command, and what it complained of.
    """

    def __init__(self, runner: Runner, heard: Callable[[Completed], None]) -> None:
        self._runner = runner
        self._heard = heard

    def run(self, command: Command) -> Completed:
        done = self._runner.run(command)
        self._heard(replace(done, stdout=""))
        return done


def _opened(stdin: bytes | Path | None) -> AbstractContextManager[int | IO[bytes]]:
    if isinstance(stdin, Path):
        return open(stdin, "rb")
    return nullcontext(subprocess.DEVNULL if stdin is None else subprocess.PIPE)


def _wait(child: "subprocess.Popen[bytes]", command: Command) -> bool:
    """Feed and await the child; return True when its time was up and its session was ended."""
    if child.stdin is not None:
        threading.Thread(target=_feed, args=(child.stdin, command.stdin), daemon=True).start()
    if _ends_within(child, command.timeout_s):
        return False
    _end(child)
    return True


def _ends_within(child: "subprocess.Popen[bytes]", timeout_s: float) -> bool:
    """Await the end of the child by pidfd_open(2): given a timeout `Popen.wait` looks every 50 ms only."""
    try:
        watched = os.pidfd_open(child.pid)
    except OSError:  # a kernel before 5.3
        try:
            child.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        has_ended = bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(watched)
    if has_ended:
        child.wait()
    return has_ended


def _feed(pipe: IO[bytes], data: bytes) -> None:
    with suppress(BrokenPipeError), pipe:  # a child that ends without reading tells by its exit code
        pipe.write(data)


def _end(child: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal_group(child.pid, number):
            break
        if _ends_within(child, 2):
            break
    child.wait()


def _signal_group(leader: int, number: int) -> bool:
    """Signal a process group; return whether there was one."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False
    return True


def _sessions_below(pid: int) -> set[int]:
    """Return the leaders of the sessions that descendants of `pid` opened (proc(5))."""
    rows: list[tuple[int, int, int]] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            rows.append((int(name), int(fields[1]), int(fields[3])))
    below = {pid}
    grown = True
    while grown:
        more = {child for child, parent, _ in rows if parent in below} - below
        below |= more
        grown = bool(more)
    return {session for child, _, session in rows if child in below and session in below} - {pid}


class _Tail:
    """Reads a stream in a thread and keeps its newest bytes."""

    def __init__(self, pipe: IO[bytes] | None, on_line: Callable[[str], None] | None) -> None:
        self._kept = bytearray()
        self.dropped = 0
        self._on_line = on_line
        self._trouble: PodupError | None = None
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes] | None) -> None:
        if pipe is None:
            return
        for line in iter(lambda: pipe.readline(65536), b""):
            self._kept += line
            if len(self._kept) > KEEP_BYTES:
                cut = len(self._kept) - KEEP_BYTES
                self.dropped += cut
                del self._kept[:cut]
            if self._on_line is not None:
                self._tell(self._on_line, line.decode(errors="replace").rstrip())
        pipe.close()

    def _tell(self, on_line: Callable[[str], None], line: str) -> None:
        try:
            on_line(line)
        except PodupError as error:  # the command must not wait for ever for somebody who reads on
            self._trouble, self._on_line = error, None

    def join(self) -> None:
        """Wait for the end of the stream, but not for a grandchild that keeps it open.

        Raises what the one who was told its lines raised.
        """
        self._thread.join(timeout=2)
        if self._trouble is not None:
            raise self._trouble

    def text(self) -> str:
        return bytes(self._kept).decode(errors="replace")
