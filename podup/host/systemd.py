"""systemd through systemctl(1) and systemd-run(1): the user's manager, or the system's for root.

Asks for states, starts and stops units, and runs commands in units of their own. Nothing here retries and
nothing decides; a command that fails raises PodupError with a code that starts with `unit-` or `systemd-`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from podup.errors import NotFound, PodupError, Unavailable
from podup.host.arguments import unit_argument
from podup.host.run import Command, Completed, Runner
from podup.patterns import regex
from podup.recipes.facts import UnitState
from podup.records import dataclass, replace

ASK_TIMEOUT_S = 15.0
JOB_TIMEOUT_S = 180.0
STOP_AT_MOST_S = 600.0  # the longest a unit is waited for that stops; systemd's own default is 90
NO_MANAGER = ("offline", "unknown")  # what `overall` says without one
_UNITS_A_CALL = 64
_DEPENDANTS_AT_MOST = 200
_STATE = (
    "LoadState,ActiveState,SubState,Result,NRestarts,FragmentPath,SourcePath,NeedDaemonReload,UnitFileState,"
    "ExecMainCode,ExecMainStatus,Type,InvocationID,TriggeredBy"
)
_STOPPED = (  # microseconds on one clock: the last stop began, it ended, the last start began
    "ActiveState,ActiveExitTimestampMonotonic,InactiveEnterTimestampMonotonic,InactiveExitTimestampMonotonic"
)
_REST_S = 1.0  # a restart begins the new process sooner after the old one than that
_NO_TIME_S = 0.05
_NEEDED_BY = "RequiredBy,RequisiteOf,BoundBy,ConsistsOf"
_MISSING = regex(r"No files found for (\S+)\.$", re.MULTILINE)
_ARGUMENTS = regex(r"(?m)^( *Process: \d+ \w+=\S+) .*( \(code=.*)$")
_PROCESSES = regex(r"(?m)^ *CGroup: .*\n(?: *[├└│].*\n?)*")
_ADVICE = regex(r"(?m)^See .*\n?")
_NO_BUS = ("failed to connect to bus", "failed to connect to user scope bus", "no medium found")


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A line of `systemctl list-unit-files`: state is enabled, disabled, static, generated, masked ..."""

    unit: str
    state: str


@dataclass(frozen=True, slots=True)
class UnitText:
    """One file that makes up a unit: its fragment or a drop-in."""

    path: str
    text: str


class Systemd:
    """One systemd manager, the user's or the system's; `option` is how systemctl(1) is told which."""

    def __init__(self, runner: Runner, *, user: bool = True) -> None:
        self._runner = runner
        self.option = "--user" if user else "--system"
        self._scope = (self.option,)

    def properties(self, units: Sequence[str], names: str) -> tuple[Mapping[str, str], ...]:
        """Return the properties `names` (with commas) of each of `units`, in their order, in one call.

        A unit that does not exist answers too (systemd makes it up, `LoadState=not-found`).
        """
        found: list[Mapping[str, str]] = []
        for start in range(0, len(units), _UNITS_A_CALL):
            part = [unit_argument(unit) for unit in units[start : start + _UNITS_A_CALL]]
            # Id is never empty, so each unit has a block of its own
            done = self._ask("show", "--no-pager", f"--property=Id,{names}", "--", *part)
            blocks = [block for block in done.stdout.split("\n\n") if block.strip()]
            if len(blocks) != len(part):
                raise PodupError(
                    "systemd-answer", f"systemctl show answered for {len(blocks)} of {len(part)} units"
                )
            found += [_pairs(block) for block in blocks]
        return tuple(found)

    def show(self, *units: str) -> tuple[UnitState, ...]:
        """Return the state of each unit, in their order."""
        seen = self.properties(units, _STATE)
        return tuple(_state(unit, found, self.option) for unit, found in zip(units, seen, strict=True))

    def dependants(self, unit: str) -> tuple[tuple[str, str], ...]:
        """Return the loaded units that need `unit`, directly or through another, with their active states.

        They are the ones a restart of `unit` may take down; one that systemd has not loaded is not up.
        Sorted by name.
        """
        known: dict[str, str] = {unit: ""}
        asked = [unit]
        while asked:
            wanted: set[str] = set()
            for found in self.properties(asked, "ActiveState," + _NEEDED_BY):
                wanted |= {name for key in _NEEDED_BY.split(",") for name in found.get(key, "").split()}
            asked = sorted(wanted - known.keys())[:_DEPENDANTS_AT_MOST]
            if asked:
                states = self.properties(asked, "ActiveState")
                known.update({name: found["ActiveState"] for name, found in zip(asked, states, strict=True)})
            if len(known) > _DEPENDANTS_AT_MOST:
                break
        del known[unit]
        return tuple(sorted(known.items()))

    def environment_files(self, unit: str) -> tuple[str, ...]:
        """Return the paths of the unit's EnvironmentFile= settings, specifiers resolved."""
        (found,) = self.properties((unit,), "EnvironmentFiles")
        lines = found.get("EnvironmentFiles", "").splitlines()
        return tuple(line.partition(" (")[0] for line in lines if line)

    def cat(self, *units: str) -> tuple[UnitText, ...]:
        """Return the files behind these units, in their order, fragments before their drop-ins.

        Missing units have none, and one whose files vanish meanwhile does not hide the others'.
        """
        texts: list[UnitText] = []
        for start in range(0, len(units), _UNITS_A_CALL):
            texts += self._cat([unit_argument(unit) for unit in units[start : start + _UNITS_A_CALL]])
        return tuple(texts)

    def _cat(self, units: list[str]) -> list[UnitText]:
        while units:
            done = self._run(("cat", "--no-pager", "--", *units), mutates=False, timeout_s=ASK_TIMEOUT_S)
            missing = set(_MISSING.findall(done.stderr)).intersection(units)
            if done.ok:
                return _files(done.stdout)
            if not missing and len(units) > 1:
                return [text for unit in units for text in self._cat([unit])]
            units = [unit for unit in units if unit not in missing] if missing else []
        return []

    def unit_files(self, kind: str = "service") -> tuple[UnitFile, ...]:
        """Return the installed unit files of a kind, templates included."""
        done = self._ask("list-unit-files", "--no-pager", "--no-legend", "--plain", f"--type={kind}")
        rows = [line.split() for line in done.stdout.splitlines()]
        return tuple(UnitFile(row[0], row[1]) for row in rows if len(row) >= 2)

    def overall(self) -> str:
        """Return what `is-system-running` says: running, degraded ...; offline without a manager."""
        try:
            done = self._run(("is-system-running",), mutates=False, timeout_s=ASK_TIMEOUT_S)
        except Unavailable:
            return "offline"
        return done.stdout.strip() or "offline"

    def status(self, unit: str) -> str:
        """Return the text of `systemctl status` for a person to read.

        Without the journal, and without command lines: they are long, and may hold passwords.
        """
        words = ("status", "--no-pager", "--full", "--lines=0", "--", unit_argument(unit))
        done = self._run(words, mutates=False, timeout_s=ASK_TIMEOUT_S)
        return _without_commands(done.stdout + done.stderr).strip()

    def restart(self, unit: str, *, timeout_s: float = JOB_TIMEOUT_S) -> Completed:
        """Restart `unit` and wait for the job; raises PodupError `unit-restart-failed`, NotFound.

        The new process has `timeout_s`, counted from when the one before has stopped, which its unit limits.
        """
        done, waited_s = self._wait("restart", unit, timeout_s), timeout_s
        while done.timed_out and waited_s < STOP_AT_MOST_S:
            left_s = self._left_to_start(unit, timeout_s, waited_s)
            if left_s < _NO_TIME_S:
                break
            done = self._wait("start", unit, left_s)  # joins the job that waits for the stop
            waited_s += left_s
        return self._judge("restart", unit, done)

    def _left_to_start(self, unit: str, timeout_s: float, waited_s: float) -> float:
        """Return how long to wait on for a unit whose restart was asked for `waited_s` ago."""
        (seen,) = self.properties((unit,), _STOPPED)
        if seen.get("ActiveState") == "deactivating":
            return timeout_s
        left, rested, began = (int(seen.get(name) or 0) / 1e6 for name in _STOPPED.split(",")[1:])
        if began - rested > _REST_S:
            return 0.0  # nothing ran that had to stop
        return min(timeout_s, rested - left - (waited_s - timeout_s))

    def start(self, unit: str, *, wait: bool = True, timeout_s: float = JOB_TIMEOUT_S) -> Completed:
        """Start `unit`; raises PodupError `unit-start-failed`, NotFound.

        Without `wait` the job is only queued.
        """
        return self._job("start", unit, timeout_s, *(() if wait else ("--no-block",)))

    def stop(self, unit: str, *, timeout_s: float = JOB_TIMEOUT_S) -> Completed:
        """Stop `unit` and wait for it; one not loaded is fine; raises PodupError `unit-stop-failed`."""
        return self._job("stop", unit, timeout_s)

    def kill(self, unit: str, *, signal: str = "SIGKILL") -> None:
        """Send `signal` to every process of `unit`; one that is not loaded is fine."""
        words = ("kill", f"--signal={signal}", "--", unit_argument(unit))
        done = self._run(words, mutates=True, timeout_s=ASK_TIMEOUT_S)
        if not done.ok and "not loaded" not in done.stderr:
            done.check("unit-kill-failed", f"{unit} could not be killed")

    def reset_failed(self, unit: str) -> None:
        """Forget failures and the start limit of `unit`; one that is not loaded is fine."""
        done = self._run(("reset-failed", "--", unit_argument(unit)), mutates=True, timeout_s=ASK_TIMEOUT_S)
        if not done.ok and "not loaded" not in done.stderr:
            done.check("unit-reset-failed", f"the failed state of {unit} could not be cleared")

    def run_transient(
        self, unit: str, argv: Sequence[str], *, says: str = "", properties: Iterable[str] = ()
    ) -> Completed:
        """Start `argv` in a service of its own and return once it was executed.

        The unit does not inherit this process's environment, and nothing secret may be in `argv` or
        `properties` (`systemctl show` prints them). It is forgotten when it ends, failed or not.
        """
        words = (
            *("systemd-run", *self._scope, "--collect", "--quiet", f"--unit={unit_argument(unit)}"),
            *("--service-type=exec", *((f"--description={says}",) if says else ())),
            *(f"--property={item}" for item in properties),
            *("--", *argv),
        )
        done = self._runner.run(Command(words, mutates=True, timeout_s=30.0))
        self._check_bus(done)
        return done.check("unit-start-failed", f"{unit} could not be started")

    def has_linger(self, user: str) -> bool:
        """Return whether the user's manager lives without a login (loginctl(1))."""
        words = ("loginctl", "show-user", "--property=Linger", "--value", "--", user)
        done = self._runner.run(Command(words, mutates=False, timeout_s=ASK_TIMEOUT_S))
        return done.ok and done.stdout.strip() == "yes"

    def _job(self, verb: str, unit: str, timeout_s: float, *options: str) -> Completed:
        return self._judge(verb, unit, self._wait(verb, unit, timeout_s, *options))

    def _wait(self, verb: str, unit: str, timeout_s: float, *options: str) -> Completed:
        return self._run((verb, *options, "--", unit_argument(unit)), mutates=True, timeout_s=timeout_s)

    def _judge(self, verb: str, unit: str, done: Completed) -> Completed:
        if done.ok or (verb == "stop" and "not loaded" in done.stderr):
            return done
        if "not found" in done.stderr and "Unit " in done.stderr:
            raise NotFound("unit-not-found", f"systemd knows no {unit}", "See `systemctl list-unit-files`.")
        hint = f"Look at `systemctl {self._scope[0]} status {unit}` and its journal."
        told = _ADVICE.sub("", done.stderr)  # behind the reason comes where to look
        return replace(done, stderr=told).check(f"unit-{verb}-failed", f"{unit} did not {verb}", hint)

    def _ask(self, *words: str) -> Completed:
        done = self._run(words, mutates=False, timeout_s=ASK_TIMEOUT_S)
        return done.check("systemd-failed", f"systemctl {words[0]} failed")

    def _run(self, words: Sequence[str], *, mutates: bool, timeout_s: float) -> Completed:
        argv = ("systemctl", *self._scope, *words)
        done = self._runner.run(Command(argv, mutates=mutates, timeout_s=timeout_s))
        self._check_bus(done)
        return done

    def _check_bus(self, done: Completed) -> None:
        said = done.stderr.lower()
        if not done.ok and any(word in said for word in _NO_BUS):
            raise Unavailable(
                "systemd-unavailable",
                f"systemd could not be asked: {done.stderr.strip().splitlines()[0]}",
                "Is XDG_RUNTIME_DIR set, and does the user's manager run? `loginctl enable-linger` keeps it.",
            )


def _without_commands(text: str) -> str:
    return _PROCESSES.sub("", _ARGUMENTS.sub(r"\1 ...\2", text))


def _pairs(block: str) -> dict[str, str]:
    """Read `name=value` lines; a name that comes several times has its values on lines of their own."""
    found: dict[str, str] = {}
    for line in block.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found[key] = f"{found[key]}\n{value}" if key in found else value
    return found


def _state(unit: str, seen: Mapping[str, str], manager: str) -> UnitState:
    def number(key: str) -> int:
        value = seen.get(key, "0")
        return int(value) if value.isdigit() else 0

    return UnitState(
        unit=unit,
        load=seen.get("LoadState", "not-found"),
        active=seen.get("ActiveState", "inactive"),
        sub=seen.get("SubState", "dead"),
        result=seen.get("Result", "success"),
        restarts=number("NRestarts"),
        fragment=seen.get("FragmentPath", ""),
        source=seen.get("SourcePath", ""),
        need_reload=seen.get("NeedDaemonReload") == "yes",
        file_state=seen.get("UnitFileState", ""),
        exec_code=number("ExecMainCode"),
        exec_status=number("ExecMainStatus"),
        kind=seen.get("Type", ""),
        invocation=seen.get("InvocationID", ""),
        triggered_by=tuple(seen.get("TriggeredBy", "").split()),
        manager=manager,
    )


def _files(text: str) -> list[UnitText]:
    """Split what `systemctl cat` prints: each file under a line `# /its/path`."""
    files: list[UnitText] = []
    lines: list[str] = []
    path = ""
    for line in text.splitlines():
        if line.startswith("# /") and (not lines or not lines[-1].strip()):
            if path:
                files.append(UnitText(path, "\n".join(lines).strip() + "\n"))
            path, lines = line[2:], []
        else:
            lines.append(line)
    if path:
        files.append(UnitText(path, "\n".join(lines).strip() + "\n"))
    return files
