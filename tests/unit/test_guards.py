"""The guards of this directory bite."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HOME = Path(os.path.expanduser("~"))


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda: subprocess.run(["true"], check=False),
        lambda: os.system("true"),
        lambda: time.sleep(0),
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=0.01),
        lambda: socket.getaddrinfo("registry.example", 443),
        lambda: (HOME / "podup-guard").write_text("x"),
        lambda: (HOME / "podup-guard").mkdir(),
    ],
)
def test_what_a_unit_test_may_not_do(forbidden: Callable[[], object]) -> None:
    with pytest.raises(BaseException, match="this unit test"):
        forbidden()


def test_what_it_may_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
