"""The one report a transaction leaves: `self-update-<timestamp>-<pid>.json`.

Written once, at the end, by whoever ends the transaction; the daemon imports it as a task and renames it to
`.json.imported` (or `.json.bad`), and a report that was imported is never written again. The runner script
writes the same shape when the program could not even start.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from podup.core.states import Status
from podup.errors import EXIT_BUSY, EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_ROLLED_BACK, PodupError
from podup.files import durable_write, make_dirs, rename, sync_dir
from podup.records import dataclass
from podup.update.journal import Build, Record
from podup.update.log import lines_of
from podup.update.states import End, State
from podup.update.world import Ground

TYPE = "self-update-run"
KIND = "self-update"
UNIT = "pod-upgrade-trigger-http.service"
LARGEST_BYTES = 256 * 1024
_TAIL_CHARACTERS = 4000
_LATEST_MOMENT = 2**33  # in the year 2242
_LARGEST_NUMBER = 2**31
_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError)
_IMPORTED = ".imported"
_BAD = ".bad"

EXIT_OF: dict[End, int] = {
    End.SUCCEEDED: EXIT_DONE,
    End.PLANNED: EXIT_DONE,
    End.SKIPPED: EXIT_DONE,
    End.ABORTED: EXIT_FAILED,
    End.ROLLED_BACK: EXIT_ROLLED_BACK,
    End.HELD: EXIT_FAILED,
}
_EXIT_OF_CODE = {
    "tasks-running": EXIT_BUSY,
    "version-rejected": EXIT_REFUSED,
    "no-room": EXIT_REFUSED,
    "no-release-repo": EXIT_REFUSED,
}


def exit_code_of(end: End, code: str) -> int:
    """Return the exit code of a command whose update ended so."""
    special = _EXIT_OF_CODE.get(code) if end in (End.SKIPPED, End.ABORTED) else None
    return EXIT_OF[end] if special is None else special


@dataclass(frozen=True, slots=True)
class Report:
    """One report as the importer reads it; times are Unix seconds."""

    path: Path
    status: Status
    dry_run: bool
    started_at: int
    finished_at: int
    exit_code: int
    binary_path: str
    release_tag: str
    stderr_tail: str
    runner_host: str
    runner_pid: int
    message: str
    code: str
    txid: str
    before: str
    after: str
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class BadReport:
    """A file that looks like a report and is none, and why."""

    path: Path
    why: str


def report_name(started_at: int, pid: int) -> str:
    """Return the file name of a run's report."""
    return f"self-update-{started_at}-{pid}.json"


def unused_name(directory: Path, started_at: int, pid: int) -> str:
    """Return a name no report had yet: a clock that was set back may give a second and a pid once more."""
    while _is_taken(directory / report_name(started_at, pid)):
        started_at += 1
    return report_name(started_at, pid)


def write(ground: Ground, record: Record, end: End, *, exit_code: int | None = None) -> Path:
    """Write the transaction's report unless it was written before; return its path."""
    directory = ground.places.reports
    path = directory / (record.report or report_name(record.started_at, record.runner_pid))
    if _is_taken(path):
        return path
    told = "\n".join(lines_of(ground.places.log, record.txid))
    body = {
        "type": TYPE,
        "dry_run": record.dry_run,
        "started_at": record.started_at,
        "finished_at": int(ground.clock.now()),
        "status": "failed" if end is End.HELD else end.value,
        "outcome": end.value,
        "exit_code": exit_code_of(end, record.code) if exit_code is None else exit_code,
        "binary_path": str(ground.places.target),
        "release_tag": record.tag,
        "stderr_tail": told[-_TAIL_CHARACTERS:] or record.message,
        "runner_host": ground.host,
        "runner_pid": record.runner_pid,
        "txid": record.txid,
        "from": record.before.version,
        "to": record.after.version,
        "code": record.code,
        "message": record.message,
        "actor": record.actor,
        "reason": record.reason,
    }
    make_dirs(directory)
    durable_write(path, json.dumps(body, indent=1).encode() + b"\n")
    return path


def write_refusal(ground: Ground, error: PodupError, *, report: str, dry_run: bool) -> Path:
    """Write the report of a run that was refused before it became a transaction (busy, on hold)."""
    now = int(ground.clock.now())
    nothing = Build("", "")
    record = Record(
        txid="",
        state=State.REQUESTED,
        before=nothing,
        after=nothing,
        dry_run=dry_run,
        started_at=now,
        runner_pid=ground.pid,
        report=report,
        code=error.code,
        message=error.message,
    )
    end = End.SKIPPED if error.exit_code == EXIT_BUSY else End.ABORTED
    return write(ground, record, end, exit_code=error.exit_code)


def waiting(directory: Path) -> Iterator[Report | BadReport]:
    """Yield the reports that were not imported yet, oldest name first; a file still being written is none.

    A file of any size costs no more than the largest report, and no link is followed.
    """
    if not directory.is_dir():
        return
    for path in sorted(directory.glob("self-update-*.json")):
        try:
            yield _read(path)
        except _UNREADABLE as error:
            yield BadReport(path, f"{type(error).__name__}: {error}"[:200])


def read(path: Path) -> Report | None:
    """Return a report wherever the importer left it, None when there is none that can be read."""
    for suffix in ("", _IMPORTED):
        try:
            return _read(path.with_name(path.name + suffix))
        except _UNREADABLE:
            continue
    return None


def mark_imported(report: Report | BadReport) -> Path:
    """Rename a report, durably, so that it is not looked at again; return its new path."""
    suffix = _IMPORTED if isinstance(report, Report) else _BAD
    target = report.path.with_name(report.path.name + suffix)
    rename(report.path, target)
    sync_dir(report.path.parent)
    return target


def _is_taken(path: Path) -> bool:
    return any(path.with_name(path.name + suffix).exists() for suffix in ("", _IMPORTED, _BAD))


def _read(path: Path) -> Report:
    if path.is_symlink() or not path.is_file():
        raise ValueError("not a regular file")
    path.name.encode()  # the task's id comes from it
    with open(path, "rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ValueError(f"larger than {LARGEST_BYTES} bytes")
    body = json.loads(data)
    if not isinstance(body, dict) or body.get("type") != TYPE:
        raise ValueError(f"its type is not {TYPE}")
    exit_code = _number(body["exit_code"], -_LARGEST_NUMBER)
    return Report(
        path=path,
        status=_status(str(body["status"]), exit_code),
        dry_run=body.get("dry_run") is True,
        started_at=_moment(body["started_at"]),
        finished_at=_moment(body["finished_at"]),
        exit_code=exit_code,
        **{name: _text(body, name) for name in ("binary_path", "release_tag", "stderr_tail", "runner_host")},
        runner_pid=_number(body.get("runner_pid") or 0),
        **{name: _text(body, name) for name in ("message", "code", "txid")},
        before=_text(body, "from"),
        after=_text(body, "to"),
        outcome=_text(body, "outcome"),
    )


def _moment(value: Any) -> int:
    moment = int(value)
    if not 0 <= moment <= _LATEST_MOMENT:
        raise ValueError(f"{moment} are no Unix seconds")
    return moment


def _number(value: Any, least: int = 0) -> int:
    number = int(value)
    if not least <= number <= _LARGEST_NUMBER:
        raise ValueError(f"{number} is no exit code or process")
    return number


def _status(text: str, exit_code: int) -> Status:
    """Return the task status; foreign words are read by the exit code."""
    known = {status.value: status for status in Status if status.is_final}
    if text in known:
        return known[text]
    if exit_code == EXIT_BUSY:
        return Status.SKIPPED
    return Status.SUCCEEDED if exit_code == EXIT_DONE else Status.FAILED


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        return ""
    value.encode()  # half a surrogate pair can be written down nowhere
    return value[:LARGEST_BYTES]
