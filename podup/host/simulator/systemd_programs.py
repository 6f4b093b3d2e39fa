"""`systemctl`, `systemd-run`, `journalctl`, `loginctl` and `df` on the simulated machine."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from podup.core.unit_text import read_unit
from podup.host.simulator import physics
from podup.host.simulator.parts import Machine, SimulatedUnit, UnitRun
from podup.host.simulator.programs import Answer, Call, NotSimulated, Program, Working, split_options
from podup.records import replace

_CHANGING = {"restart", "start", "stop", "kill", "reset-failed", "daemon-reload"}
_JOBS: dict[str, Callable[[Machine, str, float], None]] = {
    "restart": physics.restart,
    "start": physics.start,
    "stop": physics.stop,
}
_PATIENCE_S = 0.05
_TYPES = {"container": "notify", "oneshot": "oneshot", "auto-update": "oneshot"}


def _verb(words: tuple[str, ...]) -> str:
    return next((word for word in words if not word.startswith("-")), "")


def _systemctl(machine: Machine, call: Call) -> Answer | Working:
    options, (verb, *units) = split_options(call.words)
    match verb:
        case "show":
            wanted = options["--property"].split(",")
            return Answer("\n".join(_shown(machine, unit, wanted) for unit in units))
        case "cat":
            return _cat(machine, units)
        case "list-unit-files":
            kind = "." + options["--type"]
            names = sorted(name for name in machine.units if name.endswith(kind))
            rows = (f"{name} {machine.units[name].file_state} enabled\n" for name in names)
            return Answer("".join(rows))
        case "is-system-running":
            failed = any(run.active == "failed" for run in machine.runs.values())
            return Answer("degraded\n", exit=1) if failed else Answer("running\n")
        case "status":
            return _status(machine, units[0])
        case "restart" | "start" | "stop":
            return _job(machine, verb, units[0], waits="--no-block" not in options)
        case "kill" | "reset-failed":
            return _touch(machine, verb, units[0])
        case "daemon-reload":
            return Answer()
    raise NotSimulated("systemctl", call.words)


def _systemd_run(machine: Machine, call: Call) -> Answer:
    """Start a transient unit; of what it would run only `true`, `false` and `sleep` mean something here."""
    options, _ = split_options(call.words)
    argv = call.words[call.words.index("--") + 1 :]
    name = options["--unit"]
    if name in machine.units:
        says = f"Failed to start transient service unit: Unit {name} was already loaded"
        return Answer("", says + " or has a fragment file.\n", 1)
    lives_s = {"true": 0.0, "false": 0.0}.get(argv[0].rpartition("/")[2])
    if argv[0].endswith("sleep"):
        lives_s = float(argv[1])
    machine.units[name] = SimulatedUnit(name, kind="transient", restart="no", start_s=0.0)
    physics.start(machine, name, machine.at)
    if lives_s is not None:
        code = 1 if argv[0].endswith("false") else 0
        ends = machine.at + max(lives_s, physics.CONMON_S)
        machine.runs[name] = replace(machine.runs[name], exits_at=ends, exit_code=code)
    physics.advance(machine)
    return Answer()


def _journalctl(machine: Machine, call: Call) -> Answer:
    options, _ = split_options(call.words)
    entries = machine.journal.get(options["--unit"], ())
    since_s = float(options.get("--since", "@0").removeprefix("@"))
    entries = tuple(entry for entry in entries if entry.at >= since_s)
    entries = entries[-int(options["--lines"]) :]
    if options["--output"] == "json":
        rows = (
            {"SYSLOG_IDENTIFIER": entry.who, "MESSAGE": entry.text} for entry in entries
        )
        return Answer("".join(json.dumps(row) + "\n" for row in rows))
    if not entries:
        return Answer("-- No entries --\n")
    return Answer("".join(f"{_stamp(entry.at)} host {entry.who}[1]: {entry.text}\n" for entry in entries))


def _loginctl(machine: Machine, call: Call) -> Answer:
    return Answer("yes\n")


def _df(machine: Machine, call: Call) -> Answer:
    total, free = machine.disk_total // 1024, machine.disk_free // 1024
    head = "Filesystem 1024-blocks Used Available Capacity Mounted on"
    return Answer(f"{head}\n/dev/simulated {total} {total - free} {free} 50% /\n")


def _reads(words: tuple[str, ...]) -> bool:
    return False


PROGRAMS = {
    "systemctl": Program(_systemctl, lambda words: _verb(words) in _CHANGING),
    "systemd-run": Program(_systemd_run, lambda words: True),
    "journalctl": Program(_journalctl, _reads),
    "loginctl": Program(_loginctl, _reads),
    "df": Program(_df, _reads),
    "true": Program(lambda machine, call: Answer(), _reads),
    "false": Program(lambda machine, call: Answer(exit=1), _reads),
}


def _job(machine: Machine, verb: str, name: str, *, waits: bool) -> Working:
    if name not in machine.units:
        if verb == "stop":
            return Answer("", f"Failed to stop {name}: Unit {name} not loaded.\n", 5)
        return Answer("", f"Failed to {verb} {name}: Unit {name} not found.\n", 5)
    _JOBS[verb](machine, name, machine.at)
    while waits and machine.runs.get(name, UnitRun()).job == "waiting":
        due = physics.next_due(machine)
        yield max(due[0] - machine.at, 0.001) if due else _PATIENCE_S
    run = machine.runs.get(name, UnitRun())
    if verb == "stop" or run.job != "failed":
        return Answer()
    why = "a timeout was exceeded" if run.result == "timeout" else "a process exited with error code"
    return Answer("", f"Job for {name} failed because {why}.\n", 1)


def _touch(machine: Machine, verb: str, name: str) -> Answer:
    if name not in machine.units:
        return Answer("", f"Failed to {verb} unit {name}: Unit {name} not loaded.\n", 1)
    if verb == "kill":
        physics.kill(machine, name, machine.at)
    else:
        physics.reset_failed(machine, name)
    return Answer()


def _cat(machine: Machine, units: list[str]) -> Answer:
    known = [machine.units[unit] for unit in units if unit in machine.units]
    texts = [f"# {path}\n{text}" for unit in known for path, text in unit.files]
    says = "".join(f"No files found for {unit}.\n" for unit in units if unit not in machine.units)
    return Answer("\n".join(texts), says, 1 if says else 0)


def _status(machine: Machine, name: str) -> Answer:
    if name not in machine.units:
        return Answer("", f"Unit {name} could not be found.\n", 4)
    run = machine.runs.get(name, UnitRun())
    lines = [f"* {name}", f"     Loaded: loaded ({machine.units[name].file_state})"]
    lines.append(f"     Active: {run.active} ({run.sub}) (Result: {run.result})")
    return Answer("\n".join(lines) + "\n", exit=0 if run.active == "active" else 3)


def _shown(machine: Machine, name: str, wanted: list[str]) -> str:
    unit = machine.units.get(name)
    run = machine.runs.get(name, UnitRun())
    fragment = unit.files[0][0] if unit and unit.files else ""
    known = {
        "Id": name,
        "LoadState": "loaded" if unit else "not-found",
        "ActiveState": run.active,
        "SubState": run.sub,
        "Result": run.result,
        "NRestarts": str(run.restarts),
        "FragmentPath": fragment,
        "SourcePath": unit.source if unit else "",
        "NeedDaemonReload": "no",
        "UnitFileState": unit.file_state if unit else "",
        "ExecMainCode": str(run.exec_code),
        "ExecMainStatus": str(run.exec_status),
        "Type": _TYPES.get(unit.kind, "simple") if unit else "simple",
        "InvocationID": run.invocation,
    }
    if unit is not None:
        told = read_unit(text for _, text in unit.files).every("Service", "EnvironmentFile")
        known["EnvironmentFiles"] = " ".join(f"{path} (ignore_errors=no)" for path in told)
        loaded = [one for one in machine.units.values() if _is_loaded(machine, one.name)]
        known["RequiredBy"] = " ".join(one.name for one in loaded if name in one.requires)
        known["BoundBy"] = " ".join(one.name for one in loaded if name in one.binds_to)
        known["ConsistsOf"] = " ".join(one.name for one in loaded if name in one.part_of)
        known["RequisiteOf"] = ""
    return "".join(f"{key}={known[key]}\n" for key in wanted if key in known)


def _is_loaded(machine: Machine, name: str) -> bool:
    """Return whether systemd has read the unit: it lets go of those that are at rest."""
    run = machine.runs.get(name, UnitRun())
    return run.active != "inactive" or bool(run.behind)


def _stamp(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
