"""A command with a daemon running: its calls go over the control socket."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from podup.net.control import ControlClient


class RemoteApi:
    """The API of the daemon at a control socket; meets `podup.cli.calls.Api`."""

    def __init__(self, socket: Path) -> None:
        self._client = ControlClient(socket)

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        return self._client.call(method, path, query=query, body=body)

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        for event, data in self._client.events("/sse/task-logs", {"task_id": task_id}):
            if event == "log":
                yield data
