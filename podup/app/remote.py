"""A command with a daemon running: its calls go over the control socket."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from podup.clock import Clock
from podup.errors import Unavailable
from podup.net.control import ControlClient

_TRIES = 240
_TRY_EVERY_S = 0.5


class RemoteApi:
    """The API of the daemon at a control socket; meets `podup.cli.calls.Api`."""

    has_daemon = True

    def __init__(self, socket: Path, clock: Clock) -> None:
        self._client = ControlClient(socket)
        self._clock = clock

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        return self._client.call(method, path, query=query, body=body)

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        """Yield its lines; a task goes on while the daemon is started again, so that is waited for.

        Raises Unavailable when it does not come back within two minutes.
        """
        told, tries = 0, _TRIES
        while True:
            try:
                query = {"task_id": task_id, "last_event_id": str(told)}
                for event, data in self._client.events("/sse/task-logs", query):
                    if event == "end":
                        return
                    told, tries = data["id"], _TRIES
                    yield data
            except Unavailable:
                tries -= 1
                if not tries:
                    raise
            self._clock.sleep(_TRY_EVERY_S)
