"""The whole program in this process whose tasks run to their end: on a simulated machine or this one."""

from __future__ import annotations

from pathlib import Path

from simulated_host import InlineTasks
from whole import Whole

from podup.app.machine import Ground
from podup.core.states import Trigger
from podup.engine.intake import Intent
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.simulator import Simulator
from podup.store import tasks
from podup.store.tasks import Task


class Working(Whole):
    """Services on a simulated machine, which is a file."""

    is_simulated = True

    def ground(self, root: Path, clock: ManualClock) -> Ground:
        state = self.loaded.settings.state.directory
        simulator = Simulator(clock, path=root / "machine.json") if self.is_simulated else None
        return Ground(simulator, InlineTasks(state, clock))

    def settle(self) -> None:
        """Let everything run that may run now."""
        for _ in range(20):
            self.built.dispatcher.turn()

    def carry_out(self, intent: Intent) -> Task:
        """Submit a task and return it once it has ended."""
        with self.database.write() as cx:
            submitted = self.engine.intake.submit(cx, intent, Trigger("cli"))
        self.settle()
        with self.database.read() as cx:
            ended = tasks.get(cx, submitted.id)
        assert ended is not None
        return ended


class WorkingHere(Working):
    """Stacks on this machine, as far as the programs in its PATH go."""

    is_simulated = False
