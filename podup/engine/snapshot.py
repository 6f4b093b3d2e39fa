"""What a task process is given: one file, mode 0600, in place of an inherited environment.

A transient unit does not inherit the daemon's environment and secrets do not belong on a command line,
so everything a task needs stands in `STATE/tasks/ID.json`. It is removed when the task has ended.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podup.core.secrets import Redactor, Secret
from podup.errors import Invalid
from podup.files import durable_write, remove
from podup.recipes.codec import decode, encode, register
from podup.recipes.policy import Policy


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """How this machine is reached: which manager, which registries, which environment for commands.

    `simulated` names the state file of a simulated machine and is empty on a real one. `proxies` maps a
    scheme to a proxy URL. `credentials` are files in podman's auth.json format, first match wins.
    """

    user_manager: bool = True
    environment: tuple[tuple[str, str], ...] = ()
    credentials: tuple[str, ...] = ()
    registries_conf: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    proxies: tuple[tuple[str, str], ...] = ()
    registry_timeout_s: float = 30.0
    simulated: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A task as its process sees it. `secrets` are masked in everything the process writes."""

    task_id: str
    kind: str
    params: Any
    dry_run: bool
    policy: Policy
    machine: MachineConfig
    secrets: tuple[str, ...] = ()
    stacks: Any = field(default=None)

    @property
    def redactor(self) -> Redactor:
        return Redactor(Secret(value) for value in self.secrets)


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """Where the files of a task lie."""

    state_dir: Path
    task_id: str

    @property
    def snapshot(self) -> Path:
        return self.state_dir / "tasks" / f"{self.task_id}.json"

    @property
    def journal(self) -> Path:
        return self.state_dir / "tasks" / f"{self.task_id}.jsonl"

    @property
    def stop_mark(self) -> Path:
        return self.state_dir / "tasks" / f"{self.task_id}.stop"

    def clear(self) -> None:
        """Remove what only a living task needs; the journal stays."""
        remove(self.snapshot, missing_ok=True)
        remove(self.stop_mark, missing_ok=True)


def write_snapshot(files: TaskFiles, snapshot: Snapshot) -> None:
    """Put the snapshot on disk, for its owner only."""
    durable_write(files.snapshot, json.dumps(encode(snapshot)).encode(), mode=0o600)


def read_snapshot(files: TaskFiles) -> Snapshot:
    """Return the snapshot. Raises Invalid when there is none or it cannot be read."""
    try:
        found = decode(json.loads(files.snapshot.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        hint = "`tasks retry` makes a new task of it"
        raise Invalid("no-snapshot", f"task {files.task_id} has no snapshot: {error}", hint) from error
    if not isinstance(found, Snapshot):
        raise Invalid("no-snapshot", f"{files.snapshot.name} is not a snapshot")
    return found


register(MachineConfig, Snapshot)
