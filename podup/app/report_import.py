"""The reports that updates leave become tasks: of the program itself and of the script that starts it.

A file that is no report is set aside and told once. What cannot be renamed is not looked at again by this
process.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from podup.app.notices import tell_end
from podup.core.secrets import Redactor
from podup.core.states import Status, Trigger, new_id
from podup.engine.engine import Engine
from podup.engine.outbox import Outbox
from podup.engine.record import Outcome, Record
from podup.engine.snapshot import TaskFiles
from podup.errors import PodupError
from podup.files import JournalWriter, make_dirs
from podup.records import asdict, replace
from podup.store import events, tasks
from podup.store.tasks import Task
from podup.update import reports
from podup.update.reports import BadReport, Report


class ReportImport:
    """Takes in the reports of one directory. `turn` belongs to one thread."""

    def __init__(
        self,
        directory: Path,
        engine: Engine,
        outbox: Outbox,
        *,
        redactor: Redactor,
        say: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._engine = engine
        self._outbox = outbox
        self._redactor = redactor
        self._say = say
        self._stuck: set[str] = set()

    def turn(self) -> None:
        """Take in what waits. Raises Unavailable while the database takes no write; the reports then stay."""
        for report in reports.waiting(self._directory):
            if report.path.name in self._stuck:
                continue
            if isinstance(report, BadReport):
                self._tell_bad(report)
            else:
                self._import(report)
            try:
                reports.mark_imported(report)
            except (PodupError, FileNotFoundError) as error:
                self._stuck.add(report.path.name)
                self._say(f"{_shown(report.path)} stays where it is and is not looked at again: {error}")

    def _tell_bad(self, report: BadReport) -> None:
        name = _shown(report.path)
        self._say(f"{name} is not a report and is set aside: {report.why}")
        meta = {"file": name, "why": report.why}
        event = events.Event(self._engine.clock.now(), action="self-update-report-bad", meta=meta)
        with self._engine.store.write() as cx:
            events.insert(cx, [event])

    def _import(self, report: Report) -> None:
        """Make a task of a report: its journal first, then the row, whose id comes from the report's name."""
        name = report.path.name.encode()
        task_id = new_id("tsk", lambda count: (name * count)[-count:], report.started_at)
        summary = report.message or f"{report.status}: {report.release_tag or report.after}".rstrip(": ")
        files = TaskFiles(self._engine.state_dir, task_id)
        make_dirs(files.journal.parent)
        if not files.journal.exists():
            self._write_journal(files.journal, report, summary)
        task = _task(task_id, report, summary)
        with self._engine.store.write() as cx:
            if tasks.get(cx, task_id) is None:
                tasks.insert(cx, task)
                tell_end(cx, self._outbox, report, task, now_s=self._engine.clock.now())

    def _write_journal(self, path: Path, report: Report, summary: str) -> None:
        with JournalWriter(path) as sink:
            record = Record(sink, self._engine.clock, self._redactor)
            meta = _meta(report)
            record.note("info", summary, action=reports.TYPE, status=report.status.value, **meta)
            for line in report.stderr_tail.splitlines():
                record.note("info", line, action=reports.TYPE)
            record.outcome(Outcome(report.status, report.code, summary))


def _task(task_id: str, report: Report, summary: str) -> Task:
    return Task(
        id=task_id,
        kind=reports.KIND,
        created_at=float(report.started_at),
        trigger=Trigger("self", caller=report.runner_host, reason=report.release_tag),
        params={"type": reports.TYPE, **_meta(report)},
        status=report.status,
        code=report.code,
        summary=summary,
        dry_run=report.dry_run,
        unit=reports.UNIT,
        phase="ended",
        error="" if report.status is not Status.FAILED else summary,
        started_at=float(report.started_at),
        finished_at=float(report.finished_at),
    )


def _meta(report: Report) -> dict[str, Any]:
    plain = asdict(replace(report, stderr_tail=""))
    names = ("dry_run", "exit_code", "binary_path", "release_tag", "runner_host", "runner_pid", "txid")
    return {**{name: plain[name] for name in names}, "from": report.before, "to": report.after}


def _shown(path: Path) -> str:
    return path.name.encode(errors="backslashreplace").decode()
