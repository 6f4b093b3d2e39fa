"""The whole engine over a simulated machine: real database, real journals, a clock that stands still.

Tasks run in this process, so `settle` returns when nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from podup.app import task as task_process
from podup.app.building import Built, build
from podup.app.machine import Ground
from podup.core.states import Status, Trigger
from podup.engine.dispatch import Dispatcher, Launch
from podup.engine.memory import KEEPERS, Memory
from podup.engine.snapshot import TaskFiles
from podup.engine.story import tell
from podup.files import FileLock, read_journal
from podup.host.run import Command
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.scenes import auto_update_unit, container_unit
from podup.host.simulator.simulator import Simulator
from podup.host.task_process import TaskProcesses
from podup.settings.environment import Environment
from podup.settings.load import load
from podup.store import services, tasks
from podup.store.db import Database
from podup.store.migrations import open_current
from podup.store.services import Service
from podup.store.tasks import Task, TaskFilter

IMAGE = "ghcr.io/acme/web:latest"
WEB = "web.service"


class Channel:
    """Remembers what it was given; fails while `trouble` is set."""

    name = "test"

    def __init__(self) -> None:
        self.heard: list[Mapping[str, Any]] = []
        self.trouble: Exception | None = None

    def wants(self, event: str, unit: str) -> bool:
        return True

    def send(self, message: Mapping[str, Any]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.heard.append(message)

    @property
    def events(self) -> list[str]:
        return [str(message["event"]) for message in self.heard]


class InlineTasks:
    """Runs each task to its end when it is started."""

    def __init__(self, state: Path, clock: ManualClock) -> None:
        self._state = state
        self._clock = clock

    def start(self, task_id: str, argv: Sequence[str]) -> None:
        task_process.run(task_id, self._state, self._clock)

    def stop(self, task_id: str) -> None:
        pass

    def is_alive(self, task_id: str) -> bool:
        return False

    def reap(self) -> bool:
        return False


class Host:
    """A machine with one service `web`, and the engine that looks after it."""

    def __init__(self, tmp_path: Path, settings: Mapping[str, str], config: str = "") -> None:
        self.clock = ManualClock()
        self.state = tmp_path / "state"
        self.channel = Channel()
        self.said: list[str] = []
        given = {"PODUP_STATE_DIR": str(self.state), "PODUP_VERIFY_SETTLE_SECS": "2", **settings}
        self.loaded = load(Environment(given, tmp_path, 1000), config_text=config)
        self.machine = Simulator(self.clock, path=tmp_path / "machine.json")
        self.machine.push(IMAGE, "v1")
        self.machine.add(container_unit("web", IMAGE, port=8080), auto_update_unit())
        self.machine.run(Command(("systemctl", "--user", "start", "--", WEB), mutates=True))
        self._lock = FileLock(self.state / "daemon.lock", what="test")
        self._open()

    def _open(self) -> None:
        self._lock.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        database = self.loaded.settings.state.database
        self.store: Database
        self.store, _ = open_current(
            database, lock=self._lock, version="0.1.0", now=0.0, backups=self.state / "backups"
        )
        ground = Ground(self.machine, InlineTasks(self.state, self.clock))
        self.built: Built = build(
            self.loaded, self.store, self.clock, wake=lambda: None, channels=(self.channel,), ground=ground
        )
        self.built.engine.catalogue.find()

    def restart(self) -> None:
        """End the daemon and start another one on the same state."""
        self.close()
        self._open()

    def close(self) -> None:
        self.store.close()
        self._lock.release()

    def work_with(self, processes: TaskProcesses) -> Dispatcher:
        """From now on start the tasks by these processes, which none of our own code runs in."""
        take_snapshot = self.built.dispatcher._launch().take_snapshot
        dispatcher = Dispatcher(
            self.state,
            self.store,
            clock=self.clock,
            launch=lambda: Launch(processes, take_snapshot, ("true",)),
            memory=Memory(KEEPERS),
            say=self.said.append,
        )
        self.built = replace(self.built, dispatcher=dispatcher)
        return dispatcher

    def settle(self) -> None:
        """Let everything run that may run now."""
        for _ in range(20):
            self.built.dispatcher.turn()

    def deploy(self, *, source: str = "webhook", force: bool = False) -> Task:
        with self.store.write() as cx:
            intent = self.built.engine.catalogue.deploy(self.service(), force=force)
            submitted = self.built.engine.intake.submit(cx, intent, Trigger(source))
        self.settle()
        return self.task(submitted.id)

    def service(self, unit: str = WEB) -> Service:
        with self.store.read() as cx:
            found = services.get(cx, unit)
        assert found is not None
        return found

    def task(self, task_id: str) -> Task:
        with self.store.read() as cx:
            found = tasks.get(cx, task_id)
        assert found is not None
        return found

    def tasks(self, *statuses: Status) -> list[Task]:
        with self.store.read() as cx:
            found, _ = tasks.find(cx, TaskFilter(status=statuses))
        return found

    def log(self, task_id: str) -> list[str]:
        """What a task's timeline says, line by line."""
        records, _ = read_journal(TaskFiles(self.state, task_id).journal)
        return [line["summary"] for line in tell(records).logs]

    def version(self, unit: str = WEB) -> str:
        """Which version the unit runs, empty when it does not run."""
        with self.machine.open() as machine:
            running = [one for one in machine.containers.values() if one.unit == unit]
            return machine.images[running[0].image_id].version if running else ""

    def change_unit(self, **changes: Any) -> None:
        with self.machine.open() as machine:
            machine.units[WEB] = replace(machine.units[WEB], **changes)
