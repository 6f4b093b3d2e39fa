"""Watching the auto-update unit: its journal and its wrapper's log, told on the timeline as they grow."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from podup.clock import Clock
from podup.core.auto_update_log import UpdateLine, read_update_lines
from podup.engine.world import World
from podup.errors import PodupError
from podup.host.journal import Journal
from podup.host.systemd import Systemd
from podup.recipes.auto_update import AutoUpdateRun, AutoUpdateRunOf, LogLines, LogSizes, Moment

_MOST_BYTES = 256 * 1024


class AutoUpdateWatch:
    """Answers the queries of one auto-update task; every line is noted once, through `note(level, says)`."""

    def __init__(
        self, journal: Journal, systemd: Systemd, clock: Clock, note: Callable[[str, str], None]
    ) -> None:
        self._journal = journal
        self._systemd = systemd
        self._clock = clock
        self._note = note
        self._told = {"journal": 0, "log": 0}
        self._is_readable = True

    def world(self) -> World:
        """Return the rows for this kind."""
        return World(
            observers={
                Moment: lambda query: self._clock.now(),
                AutoUpdateRunOf: self._unit_run,
                LogSizes: lambda query: _sizes(Path(query.directory)),
                LogLines: self._log_lines,
            },
            performers={},
        )

    def _unit_run(self, query: AutoUpdateRunOf) -> AutoUpdateRun:
        """Ask in the order `AutoUpdateRun` promises; a unit at rest has said more since then."""
        lines = self._lines(query)
        state = self._systemd.show(query.unit)[0]
        if state.active in ("inactive", "failed"):
            self._lines(query)
        return AutoUpdateRun(lines, state)

    def _lines(self, query: AutoUpdateRunOf) -> tuple[str, ...] | None:
        """Read and tell what the journal says; that it cannot be read is told once."""
        try:
            found = self._journal.since(query.unit, query.since_s)
        except PodupError as error:
            if self._is_readable:
                self._note("warn", error.message)
            self._is_readable = False
            return None
        lines = tuple(f"{line.who}: {line.text}" if line.who else line.text for line in found)
        self._tell("journal", [("info", line) for line in lines])
        return lines

    def _log_lines(self, query: LogLines) -> tuple[str, ...]:
        """Read what was written behind the sizes; a file that got shorter was begun anew."""
        before, directory = dict(query.sizes), Path(query.directory)
        lines: list[UpdateLine] = []
        for name, size in _sizes(directory):
            offset = before.get(name, 0)
            offset = 0 if offset > size else offset
            with suppress(FileNotFoundError), open(directory / name, "rb") as file:
                file.seek(offset)
                lines += read_update_lines(file.read(_MOST_BYTES))
        self._tell("log", [("warn" if line.is_bad else "info", line.says) for line in lines])
        return tuple(line.says for line in lines)

    def _tell(self, source: str, lines: list[tuple[str, str]]) -> None:
        for level, says in lines[self._told[source] :]:
            self._note(level, f"{source}: {says}")
        self._told[source] = max(self._told[source], len(lines))


def _sizes(directory: Path) -> tuple[tuple[str, int], ...]:
    """Return the names and sizes, the oldest first, without what is rotated away just now."""
    found: list[tuple[float, str, int]] = []
    for path in directory.glob("*.jsonl") if directory.is_dir() else ():
        with suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_mtime, path.name, status.st_size))
    return tuple((name, size) for _, name, size in sorted(found))
