"""What a command is given: the API to call, and the long-running things it may start."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from podup.api.listeners import FIRST_INHERITED_FD, accepted
from podup.app import daemon, demo, scheduling, task
from podup.app.api import api_of
from podup.app.local import serve_connection
from podup.app.opening import restore_database
from podup.cli.calls import Api
from podup.clock import Clock, SystemClock
from podup.core.states import exit_code
from podup.host.supervisor import Supervisor
from podup.settings.load import Loaded
from podup.store.backup import Backup


def build(loaded: Loaded) -> "App":
    """Return what commands work with. Nothing is opened before it is asked for."""
    return App(loaded)


class App:
    """The program, built from its settings."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.clock: Clock = SystemClock()

    @cached_property
    def api(self) -> Api:
        """The program's API: the running daemon's, else this process's own."""
        return api_of(self.loaded, self.clock)

    def serve(self, address: str = "") -> int:
        """Run the daemon until it is told to stop; return the exit code."""
        return daemon.serve(self.loaded, self.clock, address=address)

    def schedule(self, interval_s: float, most: int, say: Callable[[str], None]) -> int:
        """Be the scheduler for `most` ticks (0: for ever), `interval_s` apart (0: as configured)."""
        return scheduling.run(self.loaded, self.clock, interval_s=interval_s, most=most, say=say)

    def demo(self, address: str, story: demo.Story) -> int:
        """Serve a simulated host on loopback while the story is told; return the exit code."""
        return demo.run(self.loaded.environment, self.clock, address=address, story=story)

    def serve_inherited(self) -> int:
        """Serve the socket systemd passed, or the one connection on standard input; return the exit code."""
        if not Supervisor(self.loaded.environment.variables, pid=os.getpid()).listening_sockets:
            return serve_connection(self.loaded, self.clock)
        if accepted():
            return serve_connection(self.loaded, self.clock, stdin=FIRST_INHERITED_FD)
        return self.serve()

    def restore_database(self, source: Path) -> Backup:
        """Put a backup in the database's place. Raises Busy, naming the holder, while it is in use."""
        return restore_database(self.loaded, self.clock, source)

    def run_task(self, task_id: str, state_dir: Path) -> int:
        """Be the process of one task; return its exit code."""
        outcome = task.run(task_id, state_dir, self.clock)
        return exit_code(outcome.status, outcome.code)
