"""The deployment history on disk: append-only, one write a line, each fact once however often it is told.

The end of a task is told again when a crash comes between the line and the commit that ends the task; the
task's id at the end of a line's notes is what makes the second telling silent.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podup.clock import Clock
from podup.core import deploy_history
from podup.core.deploy_history import HistoryRecord
from podup.files import append_line, make_dirs

_NEWEST_BYTES = 4 * 1024 * 1024
_REASON_LETTERS = 200
_MODE = 0o644


class StackLog:
    """The file at `path`. Several processes may hold one; lines never mix."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def of_stack(self, stack: str) -> tuple[tuple[HistoryRecord, ...], int]:
        """Return the stack's records, oldest first, and how many lines of the file could not be read."""
        records, broken = self._read()
        return deploy_history.of_stack(records, stack), broken

    def tell(self, values: Mapping[str, Any], *, at: float, reason: str = "", task_id: str = "") -> str:
        """Write a line at `at` (Unix seconds) unless this task has written it before; return its notes."""
        short = reason if len(reason) <= _REASON_LETTERS else reason[: _REASON_LETTERS - 3] + "..."
        notes = ", ".join(part for part in (str(values.get("notes", "")), short, task_id) if part)
        words = {key: str(values.get(key, "")) for key in ("stack", "env", "action", "version", "status")}
        stamp = self._clock.local(at).strftime("%Y-%m-%d %H:%M:%S")
        record = HistoryRecord(stamp, **words, notes=notes)
        if not (task_id and self._has(record, task_id)):
            make_dirs(self._path.parent, mode=0o755)
            append_line(self._path, deploy_history.render(record), mode=_MODE)
        return notes

    def _has(self, record: HistoryRecord, task_id: str) -> bool:
        told = (record.stack, record.action)
        return any(
            (known.stack, known.action) == told and known.notes.endswith(task_id) for known in self._read()[0]
        )

    def _read(self) -> tuple[tuple[HistoryRecord, ...], int]:
        try:
            with open(self._path, "rb") as file:
                end = file.seek(0, 2)
                file.seek(max(0, end - _NEWEST_BYTES))
                data = file.read()
        except FileNotFoundError:
            return (), 0
        if end > _NEWEST_BYTES:
            data = data.partition(b"\n")[2]
        return deploy_history.read(data.decode(errors="replace"))
