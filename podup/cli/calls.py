"""What a command does its work with: the program's own API, in the daemon or in this process.

A command never touches the database, podman or systemd itself. With a daemon running its calls go over
the control socket; without one the same handlers run here, and `follow` moves the tasks along.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol


class Api(Protocol):
    """The routes of CONTRACT 3, as the operator of this machine."""

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """Return the JSON of the answer. Raises the PodupError a problem answer stands for."""

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        """Yield the log lines of a task as they come; ends when the task has ended."""
