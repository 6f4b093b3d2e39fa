"""The real machine behind the protocols of `podup.update.world`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGKILL
from typing import Any

from podup.clock import Clock
from podup.core.host_faults import Blame, Problem, is_of_host, says_host
from podup.errors import EXIT_BUSY, NotFound, PodupError, Unavailable
from podup.files import durable_write, holder, is_locked, make_dirs, remove
from podup.host.run import NOT_STARTED, Command, Runner
from podup.host.systemd import Systemd
from podup.patterns import regex
from podup.store import backup
from podup.store.db import Connection, Error, Reader, problems, table_counts
from podup.update.world import Answer, DryStart, Running, Shape

DRY_START_S = 60.0
_STOP_S = 60.0
_FAILED_BY_HOST = (EXIT_BUSY, NOT_STARTED, -SIGKILL)
_HOLDER = regex(r"pid ([0-9]+)")


class SqliteDatabase:
    """Meets `Database` over the store's backup API."""

    def copy(self, source: Path, target: Path) -> str:
        reader = Reader(source)
        try:
            return backup.back_up(reader, target).sha256
        finally:
            reader.close()

    def look(self, path: Path) -> Shape:
        try:
            reader = Reader(path)
        except NotFound:
            return Shape(0)
        try:
            with reader.read() as cx:
                rows = table_counts(cx)
                columns = {table: _columns(cx, table) for table in rows}
                return Shape(backup.schema_number(cx), tuple(problems(cx)), columns, rows)
        except (Error, PodupError) as error:
            return Shape(0, (str(error),), is_unread=is_of_host(error))
        finally:
            reader.close()


class SystemdService:
    """Meets `Service` for a unit; systemd starts it again by itself when it ends."""

    def __init__(self, systemd: Systemd, unit: str) -> None:
        self._systemd = systemd
        self._unit = unit

    def stop(self) -> None:
        self._systemd.stop(self._unit, timeout_s=_STOP_S)

    def start(self) -> None:
        # Forgets failures and counted restarts, so that every restart from here on is the new program's.
        self._systemd.reset_failed(self._unit)
        self._systemd.start(self._unit, wait=False)

    def look(self) -> Running:
        (state,) = self._systemd.show(self._unit)
        is_coming = state.active == "activating"
        ended = f"{state.result}, exit {state.exec_status}" if state.result != "success" else ""
        return Running(
            is_active=state.active == "active",
            is_failed=state.active == "failed",
            restarts=state.restarts,
            is_coming=is_coming,
            ended=ended,
            is_stopped=state.active == "inactive",
        )

    def log_since(self, began: int) -> str:
        return f"journalctl {self._systemd.option} -u {self._unit} --since @{began}"


class SupervisedService:
    """Meets `Service` below layer 1 (`scripts/entrypoint.sh`), which starts the program again when it ends.

    Nothing has to be started here: `boot-guard` in front of each start waits while the journal says so.
    The process is known by the lock it holds on the state directory. One that hangs before it has that is
    known by the file in which layer 1 says what it started.
    """

    def __init__(self, runner: Runner, clock: Clock, daemon_lock: Path, supervised: Path) -> None:
        self._runner = runner
        self._clock = clock
        self._lock = daemon_lock
        self._supervised = supervised
        self._seen: set[int] = set()

    def stop(self) -> None:
        """End it by SIGTERM, after a minute by SIGKILL. Raises Unavailable `service-does-not-stop`."""
        for signal, within_s in (("TERM", _STOP_S), ("KILL", 5.0)):
            pid = self._pid() or self._started()
            if not pid:
                break
            self._runner.run(Command(("kill", f"-{signal}", str(pid)), mutates=True))
            deadline = self._clock.monotonic() + within_s
            while pid in (self._pid(), self._started()) and self._clock.monotonic() < deadline:
                self._clock.sleep(0.05)
        else:
            if pid := self._pid() or self._started():
                who = holder(self._lock) or f"pid {pid}"
                raise Unavailable("service-does-not-stop", f"the service does not stop: {who}")
        self._seen.clear()

    def start(self) -> None:
        self._seen.clear()

    def look(self) -> Running:
        pid = self._pid()
        if pid:
            self._seen.add(pid)
        return Running(bool(pid), False, max(0, len(self._seen) - 1), is_coming=not pid)

    def log_since(self, began: int) -> str:
        return "the log of entrypoint.sh, which is that of its container or unit"

    def _pid(self) -> int:
        found = _HOLDER.search(holder(self._lock)) if is_locked(self._lock) else None
        return int(found[1]) if found else 0

    def _started(self) -> int:
        """Return the living process layer 1 started, 0 without one; its number may be another's by now."""
        try:
            pid = self._supervised.read_text().strip()
            words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0") if pid.isdecimal() else []
        except OSError:
            return 0
        return int(pid) if b"http-server" in words else 0


class HealthProber:
    """Meets `Prober`: asks each door for /health. A door is a function that returns its JSON or raises."""

    def __init__(self, doors: Mapping[str, Callable[[], Any]]) -> None:
        self._doors = dict(doors)

    def ask(self) -> tuple[Answer, ...]:
        return tuple(_ask(name, door) for name, door in self._doors.items())


def read_health(door: str, body: Any) -> Answer:
    """Return what a /health body says; anything else is an answer with an error."""
    if not isinstance(body, dict) or not isinstance(body.get("version"), str):
        return Answer(door, error="the answer is not a health report")
    update = body.get("update")
    update = update if isinstance(update, dict) else {}
    issues = body.get("issues")
    ill = (
        [one.get("component") for one in issues if isinstance(one, dict)] if isinstance(issues, list) else []
    )
    return Answer(
        door=door,
        version=body["version"],
        txid=str(update.get("txid") or ""),
        issues=frozenset(str(component) for component in ill if component),
        has_database=body.get("db") == "ok",
        beats=update.get("beats") is not False,
    )


def dry_start_s(trial_s: float, patience: int) -> float:
    """Return how long a dry start may take: as long as a trial, at most a minute, `patience` times over."""
    return min(DRY_START_S, trial_s) * patience


def dry_start(
    runner: Runner,
    python: str,
    program: Path,
    copy: Path | None,
    *,
    within_s: float = DRY_START_S,
    given: Mapping[str, str] = {},
) -> DryStart:
    """Run `PROGRAM boot-check --db COPY`: it imports all, migrates the copy, listens on a free port.

    It has no setting of ours but those `given`: its state directory is the scratch directory. Exit 75, a
    traceback that ends with no room or no memory, a SIGKILL (the kernel's, when memory runs out) and an
    interpreter that cannot be started are the machine's faults; one that is not done in time may be the
    program's, or a machine's that has much else to do.
    """
    scratch = program.parent if copy is None else copy.parent
    words = (python, str(program), "boot-check", *(("--db", str(copy)) if copy else ()))
    env = {**given, "PODUP_STATE_DIR": str(scratch)}
    done = runner.run(Command(words, mutates=True, timeout_s=within_s, env=env))
    try:
        seen = json.loads(done.stdout.strip().splitlines()[-1])
        found = str(seen["version"]), int(seen["schema"])
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError):
        found = None
    if done.ok and found is not None:
        return DryStart(*found)
    why = _last_line(done.stderr) or f"it ended with {done.exit} and said nothing"
    if done.timed_out:
        return DryStart(problem=Problem(f"it did not end within {within_s:g} s", Blame.UNCLEAR))
    is_of_world = done.exit in _FAILED_BY_HOST or says_host(why)
    return DryStart(problem=Problem(why, Blame.WORLD if is_of_world else Blame.PROGRAM))


def signature_check(runner: Runner, signers: Path, scratch: Path) -> Callable[[Path, bytes], None]:
    """Return a check of detached SSH signatures (ssh-keygen(1), -Y verify, namespace `file`).

    It raises PodupError `signature-invalid`, also when ssh-keygen is missing: with signers set a signature
    is mandatory.
    """

    def check(program: Path, signature: bytes) -> None:
        make_dirs(scratch)
        path = scratch / "release.sig"
        durable_write(path, signature)
        about = ("-f", str(signers), "-I", "release", "-n", "file", "-s", str(path))
        done = runner.run(Command(("ssh-keygen", "-Y", "verify", *about), mutates=False, stdin=program))
        remove(path, missing_ok=True)
        if not done.ok:
            why = _last_line(done.stderr or done.stdout) or f"ssh-keygen ended with {done.exit}"
            raise PodupError("signature-invalid", f"the signature is not good: {why}", "nothing was changed")

    return check


def _ask(name: str, door: Callable[[], Any]) -> Answer:
    try:
        return read_health(name, door())
    except PodupError as error:
        return Answer(name, error=error.message)


def _columns(cx: Connection, table: str) -> tuple[str, ...]:
    return tuple(str(row[1]) for row in cx.execute(f'PRAGMA table_info("{table}")'))


def _last_line(text: str) -> str:
    """Return the last line that says what happened; a hint after it says what to do."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("hint:")]
    return lines[-1][:300] if lines else ""
