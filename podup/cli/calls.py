"""What a command does its work with: the program's own API, in the daemon or in this process.

A command never touches the database, podman or systemd itself. With a daemon running its calls go over
the control socket; without one the same handlers run here, and `follow` moves the tasks along.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Protocol

_MOST = 500  # items a page


class Api(Protocol):
    """The routes of docs/api.md, called as the operator of this machine. `has_daemon` tells who answers."""

    has_daemon: bool

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """Return the JSON of the answer. Raises the PodupError a problem answer stands for."""

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        """Yield the log lines of a task as they come; ends when the task has ended."""


def call_for_all(api: Api, path: str, noun: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a list with the items of all its pages, for lists a terminal shows whole."""
    items: list[Any] = []
    for page in count(1):
        asked = {**(query or {}), "per_page": str(_MOST), "page": str(page)}
        answer: dict[str, Any] = api.call("GET", path, query=asked)
        items += answer[noun]
        if not answer["has_next"]:
            break
    return {**answer, noun: items, "page": 1, "page_size": max(_MOST, len(items))}
