import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from podup.clock import SystemClock
from podup.errors import Invalid
from podup.host.probe import HostProber
from podup.host.run import Command, Completed


class OneAnswer:
    """A machine on which every command ends alike."""

    def __init__(self, exit: int = 0, stderr: str = "") -> None:
        self._exit, self._stderr = exit, stderr

    def run(self, command: Command) -> Completed:
        assert not command.mutates
        return Completed(command, self._exit, "", self._stderr, 1)


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """A server that sends `answer` to one connection, or says nothing when it is None; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                if answer is None:
                    held.wait(5)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            held.set()
            thread.join(2)


def probe(spec: str, timeout_s: float = 2.0, **machine):
    return HostProber(OneAnswer(**machine), SystemClock()).probe(spec, timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 302 Found\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 503\r\n\r\n", False),
        (b"220 mail.example ESMTP\r\n", False),
        (b"", False),
        (b"x" * 10000, False),
    ],
)
def test_http_is_judged_by_its_status(answer: bytes, ok: bool) -> None:
    with listening(answer) as port:
        assert probe(f"http://127.0.0.1:{port}/health").ok is ok


def test_a_server_that_says_nothing_is_not_waited_for_longer_than_allowed() -> None:
    with listening(None) as port:
        seen = probe(f"http://127.0.0.1:{port}/", timeout_s=0.1)
    assert not seen.ok
    assert "timed out" in seen.says


def test_a_refused_connection_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        spec = f"http://127.0.0.1:{server.getsockname()[1]}/"
    found = HostProber(OneAnswer(), SystemClock()).probe(spec, timeout_s=5)
    assert (found.ok, found.says) == (False, f"{spec}: Connection refused")


def test_tcp_wants_a_connection() -> None:
    with listening(b"") as port:
        assert probe(f"tcp://127.0.0.1:{port}").ok
    assert not probe(f"tcp://127.0.0.1:{port}").ok


def test_a_command_is_judged_by_its_exit() -> None:
    assert probe("command:/bin/check --now").ok
    seen = probe("command:/bin/check", exit=3, stderr="first\nno answer from the database\n")
    assert not seen.ok
    assert seen.says == "/bin/check exited 3: no answer from the database"


def test_a_probe_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid):
        probe("gopher://127.0.0.1:1")
