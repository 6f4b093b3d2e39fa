"""A task's journal as people read it: steps, log lines, plan, facts and verdict for lists and timelines."""

from collections.abc import Iterable, Mapping
from typing import Any

from podup.core.secrets import Redactor
from podup.records import dataclass

_REDACTOR = Redactor()  # what a journal says to people was redacted as it was written
_LEVELS = {True: "info", False: "error"}


@dataclass(frozen=True, slots=True)
class Story:
    """What a journal tells. `logs` are numbered from 1 and never change once written."""

    phase: str
    logs: tuple[dict[str, Any], ...]
    plan: dict[str, Any] | None = None
    before: list[Any] | None = None
    after: list[Any] | None = None
    verdict: dict[str, Any] | None = None


def tell(records: Iterable[Mapping[str, Any]], unit: str = "") -> Story:
    """Return the story the records tell, in order."""
    phase = "waiting"
    logs: list[dict[str, Any]] = []
    latest: dict[str, Any] = {}
    for record in records:
        phase = _PHASES.get(record["type"], phase) or str(record.get("phase", phase))
        latest |= {
            key: _REDACTOR.tree(record[key])
            for key in ("plan", "before", "after", "verdict")
            if _tells(record, key)
        }
        line = log_line(len(logs) + 1, record, unit)
        if line is not None:
            logs.append(line)
    return Story(phase, tuple(logs), **latest)


def _tells(record: Mapping[str, Any], key: str) -> bool:
    return key in record and record["type"] != "revert"


_PHASES = {
    "begin": "observing",
    "plan": "planned",
    "step": "",
    "verdict": "judging",
    "revert": "revert",
    "outcome": "ended",
}


def log_line(number: int, record: Mapping[str, Any], unit: str = "") -> dict[str, Any] | None:
    """Return the record as a log line of the task, or None for records that only carry facts."""
    writer = _WRITERS.get(str(record["type"]))
    if writer is None:
        return None
    try:
        level, action, status, summary, meta = writer(record)
    except (KeyError, TypeError) as error:
        level, action, status, meta = "warn", "journal", "", {"type": "unreadable", "what": str(error)}
        summary = f"a record of another version, of type {record['type']}"
    return {
        "id": number,
        "ts": record.get("ts", 0.0),
        "level": level,
        "action": action,
        "status": status,
        "summary": summary,
        "unit": unit,
        "meta": meta,
    }


_Line = tuple[str, str, str, str, dict[str, Any]]


def _begin(record: Mapping[str, Any]) -> _Line:
    again = record["attempt"] > 1
    says = f"taken up again, attempt {record['attempt']}" if again else "started"
    meta = {"pid": record["pid"], "version": record["version"]}
    return ("warn" if again else "info", "begin", "running", says, meta)


def _plan(record: Mapping[str, Any]) -> _Line:
    plan = _REDACTOR.tree(record["plan"])
    steps = [step["says"] for step in plan["steps"]]
    says = "; ".join(filter(None, (*steps, plan["reason"]))) or "nothing to do"
    failed = plan["decision"] == "fail"
    meta = {"type": "plan", "steps": steps, "code": plan["code"], "hint": plan["hint"]}
    return ("error" if failed else "info", "plan", plan["decision"], says, meta)


def _step(record: Mapping[str, Any]) -> _Line:
    return ("info", record["phase"], "running", record["says"], {"type": "step", "number": record["number"]})


def _done(record: Mapping[str, Any]) -> _Line:
    says = record["error"] or "done"
    status = "succeeded" if record["ok"] else "failed"
    return (
        _LEVELS[record["ok"]],
        record["phase"],
        status,
        says,
        {"type": "step", "number": record["number"]},
    )


def _command(record: Mapping[str, Any]) -> _Line:
    command = " ".join(record["argv"])
    meta = {"type": "command", "command": command}
    meta |= {key: record[key] for key in ("argv", "stdout", "stderr", "exit", "duration_ms", "truncated")}
    status = "succeeded" if record["exit"] == 0 else "failed"
    # podman-compose 1.0 ends with 0 whatever the podman below it says
    says_error = any(line.startswith("Error") for line in record["stderr"].splitlines())
    has_failed = record["exit"] != 0 or says_error
    level = "warn" if has_failed and record["mutates"] else "info"
    return (level, "command", status, f"{command} ({record['duration_ms']} ms, exit {record['exit']})", meta)


def _note(record: Mapping[str, Any]) -> _Line:
    meta = dict(record["meta"])
    return (record["level"], meta.pop("action", "note"), meta.pop("status", ""), record["says"], meta)


def _diagnosis(record: Mapping[str, Any]) -> _Line:
    report = {name: text for name, text in record["report"].items() if name != "_"}
    return ("warn", "diagnose", "", "what it said last", {"type": "diagnosis", **report})


def _verdict(record: Mapping[str, Any]) -> _Line:
    verdict = record["verdict"]
    health = verdict["health"]
    says = "; ".join(verdict["reasons"]) or {"pending": "waiting"}.get(health, health)
    if health == "ok" and not record["final"]:
        says = "well so far"
    elif health == "ok" and not verdict["reasons"]:
        says = "proven well" if record["aim"] == "new" else "back as before, proven well"
    level = "error" if health == "bad" else "info"
    return (level, "judge", health, says, {"type": "verdict", "aim": record["aim"], "final": record["final"]})


def _revert(record: Mapping[str, Any]) -> _Line:
    steps = [_REDACTOR.text(step["says"]) for step in record["plan"]["steps"]]
    return (
        "warn",
        "revert",
        "running",
        f"taking it back: {record['reason']}",
        {"type": "plan", "steps": steps},
    )


def _outcome(record: Mapping[str, Any]) -> _Line:
    good = record["status"] in ("succeeded", "planned", "skipped", "pending")
    meta = {"type": "outcome", "code": record["code"], "hint": record["hint"]}
    return ("info" if good else "error", "outcome", record["status"], record["summary"], meta)


_WRITERS = {
    "begin": _begin,
    "plan": _plan,
    "step": _step,
    "done": _done,
    "command": _command,
    "note": _note,
    "diagnosis": _diagnosis,
    "verdict": _verdict,
    "revert": _revert,
    "outcome": _outcome,
}
