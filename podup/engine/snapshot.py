"""What a task process is given: one file, mode 0600, in place of an inherited environment.

A transient unit does not inherit the daemon's environment and secrets do not belong on a command line,
so everything a task needs stands in `STATE/tasks/ID.json`. It is removed when the task has ended.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podup.errors import Invalid
from podup.files import durable_write, remove
from podup.recipes.codec import decode, encode, register
from podup.recipes.policy import Policy
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A task as its process sees it. `context` is what the program needs to be built the same again."""

    task_id: str
    kind: str
    params: Any
    dry_run: bool
    policy: Policy
    context: Mapping[str, Any]


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


register(Snapshot)
