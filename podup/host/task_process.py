"""Task processes: each task runs in a process of its own that outlives whoever started it.

`SystemdTasks` gives each a transient unit, so restarting or killing the daemon's own unit leaves it alone.
`ChildTasks` is for machines without systemd: a child in a session of its own, known only to the process
that started it. Whether a task really lives is told by its journal's lock; `is_alive` is the cheap guess.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from podup.errors import Busy, Invalid
from podup.host.run import Detached
from podup.host.systemd import Systemd
from podup.patterns import regex

_TASK_ID = regex(r"[a-z]+_[a-z0-9]{1,64}")
_PROPERTIES = ("KillMode=control-group", "TimeoutStopSec=10", "UMask=0077")
_END_WITHIN_S = 5.0


class TaskProcesses(Protocol):
    """Starts and ends the process of a task."""

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        """Start it and return once it runs; raises Busy `task-runs` when one of that id does."""

    def stop(self, task_id: str) -> None:
        """End it and all it started, with force if need be; one that is gone is fine."""

    def is_alive(self, task_id: str) -> bool:
        """Return whether it runs, as far as this process can know."""

    def reap(self) -> bool:
        """Let what has ended go; return whether there are processes left that only we can let go."""


class SystemdTasks:
    """Each task in a transient service `podup-task-ID.service`."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        if self.is_alive(task_id):
            raise Busy("task-runs", f"task {task_id} already has a process")
        self._systemd.run_transient(
            task_unit(task_id), argv, says=f"podup task {task_id}", properties=_PROPERTIES
        )

    def stop(self, task_id: str) -> None:
        if self.is_alive(task_id):
            self._systemd.stop(task_unit(task_id), timeout_s=30.0)

    def is_alive(self, task_id: str) -> bool:
        (state,) = self._systemd.show(task_unit(task_id))
        return state.is_alive

    def reap(self) -> bool:
        return False  # they are the manager's children


class ChildTasks:
    """Each task in a child process with a session of its own; `env` is its whole environment."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._running: dict[str, Detached] = {}

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        if self.is_alive(task_id):
            raise Busy("task-runs", f"task {task_id} already has a process")
        self._running[_checked(task_id)] = Detached(argv, self._env)

    def stop(self, task_id: str) -> None:
        process = self._running.pop(task_id, None)
        if process is not None:
            process.end(within_s=_END_WITHIN_S)

    def stop_all(self) -> None:
        """End all that were started here."""
        for task_id in tuple(self._running):
            self.stop(task_id)

    def is_alive(self, task_id: str) -> bool:
        self.reap()
        return task_id in self._running

    def reap(self) -> bool:
        for known in [known for known, process in self._running.items() if not process.is_alive()]:
            del self._running[known]
        return bool(self._running)


def task_unit(task_id: str) -> str:
    """Return the name of the unit a task runs in; raises Invalid `task-id`."""
    return f"podup-task-{_checked(task_id)}.service"


def _checked(task_id: str) -> str:
    if not _TASK_ID.fullmatch(task_id):
        raise Invalid("task-id", f"{task_id!r} is not a task's id")
    return task_id
