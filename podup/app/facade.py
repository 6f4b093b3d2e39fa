"""What a command is given: the API to call, and the long-running things it may start.

Each of those loads what it needs when it is started: the process of a task has no use for the server, and
waits for its modules before every deployment.
"""

import gc
import os
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podup.clock import Clock, SystemClock
from podup.core.states import exit_code
from podup.host.supervisor import Supervisor
from podup.settings.load import Loaded

if TYPE_CHECKING:
    from podup.app.demo import Story
    from podup.cli.calls import Api
    from podup.store.backup import Backup

_GARBAGE_EVERY = 20_000  # new objects


def build(loaded: Loaded) -> "App":
    """Return what commands work with. Nothing is opened before it is asked for."""
    return App(loaded)


class App:
    """The program, built from its settings."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.clock: Clock = SystemClock()

    @cached_property
    def api(self) -> "Api":
        """The program's API: the running daemon's, else this process's own."""
        made: Api = _part("api").api_of(self.loaded, self.clock)
        return made

    def serve(self, address: str = "") -> int:
        """Run the daemon until it is told to stop; return the exit code."""
        serve = _part("daemon").serve
        _part("program").start_anew_once()
        return int(serve(self.loaded, self.clock, address=address))

    def schedule(self, interval_s: float, most: int, say: Callable[[str], None]) -> int:
        """Be the scheduler for `most` ticks (0: for ever), `interval_s` apart (0: as configured)."""
        ticks = {"interval_s": interval_s, "most": most, "say": say}
        return int(_part("scheduling").run(self.loaded, self.clock, **ticks))

    def demo(self, address: str, story: "Story") -> int:
        """Serve a simulated host on loopback while the story is told; return the exit code."""
        run = _part("demo").run
        return int(run(self.loaded.environment, self.clock, address=address, story=story))

    def serve_inherited(self) -> int:
        """Serve the socket systemd passed, or the one connection on standard input; return the exit code."""
        if not Supervisor(self.loaded.environment.variables, pid=os.getpid()).listening_sockets:
            return int(_part("local").serve_connection(self.loaded, self.clock))
        listeners = import_module("podup.server.listeners")
        if listeners.accepted():
            inherited = listeners.FIRST_INHERITED_FD
            return int(_part("local").serve_connection(self.loaded, self.clock, stdin=inherited))
        return self.serve()

    def restore_database(self, source: Path) -> "Backup":
        """Put a backup in the database's place. Raises Busy, naming the holder, while it is in use."""
        restored: Backup = _part("opening").restore_database(self.loaded, self.clock, source)
        return restored

    def run_task(self, task_id: str, state_dir: Path) -> int:
        """Be the process of one task; return its exit code."""
        outcome = _part("task").run(task_id, state_dir, self.clock)
        return exit_code(outcome.status, outcome.code)


def _part(name: str) -> Any:
    """Load a part of the program. It may live long: from now on garbage is looked for, but not in modules."""
    part = import_module(f"podup.app.{name}")
    gc.freeze()
    gc.set_threshold(_GARBAGE_EVERY)
    return part
