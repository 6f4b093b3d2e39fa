"""The channel that is always there: one line a message in the program's own log."""

from collections.abc import Callable, Mapping
from typing import Any

_WIDTH = 1000


class LogChannel:
    """Writes messages as lines through `say`; nothing can keep it from sending."""

    name = "log"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def wants(self, event: str, unit: str) -> bool:
        return True

    def send(self, message: Mapping[str, Any]) -> None:
        text = " ".join(f"{message['title']}: {message['text']}".split())
        task = f" (task {message['task_id']})" if message.get("task_id") else ""
        self._say(f"notice: {text[:_WIDTH]}{task}")
