"""Waiting for a process to get somewhere, and ports nobody uses."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def eventually(look: Callable[[], T], *, within_s: float = 40.0) -> T:
    """Return the first true thing `look` returns; fail when there is none in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")
