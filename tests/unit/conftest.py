"""Guards: a unit test starts no process, leaves loopback alone, does not sleep and writes nothing in $HOME.

They are audit hooks of the interpreter (PEP 578), so no code is patched and no road around them is left,
and a test that breaks one fails by name. What needs the real thing belongs in tests/contract or tests/lab.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_HOME = os.path.expanduser("~")
_ROOT = str(Path(__file__).resolve().parents[2])
_PROCESS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.spawn", "pty.spawn"}
_CHANGES = {
    f"os.{verb}" for verb in ["mkdir", "rename", "remove", "rmdir", "link", "symlink", "truncate", "chmod"]
}
_CONNECTS = {"socket.connect", "socket.sendto", "socket.bind", "socket.getaddrinfo"}
_LOCAL_NAMES = {"localhost", "", "::1", "::", "0.0.0.0", None}
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Guarded(BaseException):
    """Raised at the door; not an Exception, so no handler of the code under test swallows it."""


class _Guard:
    active = False

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in _PROCESS:
            self._refuse(f"starts a process ({event} {args[0]!r}); use the simulator, or a contract test")
        elif event in _CONNECTS and not _is_local(event, args):
            self._refuse(f"reaches beyond loopback ({event} {args!r})")
        elif event == "open":
            if isinstance(args[2], int) and args[2] & _WRITE_FLAGS and _is_in_home(args[0]):
                self._refuse(f"writes {args[0]!r} in the home directory; use tmp_path")
        elif event in _CHANGES and any(_is_in_home(arg) for arg in args[:2]):
            self._refuse(f"changes {args[:2]!r} in the home directory; use tmp_path")

    def _refuse(self, what: str) -> None:
        raise Guarded(f"this unit test {what}")


def _is_local(event: str, args: tuple[Any, ...]) -> bool:
    address = args[0] if event == "socket.getaddrinfo" else args[-1]
    host = address[0] if isinstance(address, tuple) else address
    if event != "socket.getaddrinfo" and not isinstance(address, tuple):
        return True  # a Unix socket
    return host in _LOCAL_NAMES or (isinstance(host, str) and host.startswith("127."))


def _is_in_home(path: Any) -> bool:
    if not isinstance(path, str | os.PathLike):
        return False
    whole = os.path.abspath(os.fspath(path))
    if not isinstance(whole, str) or "__pycache__" in whole:
        return False
    return whole.startswith(_HOME + os.sep) and not whole.startswith(_ROOT + os.sep)


_GUARD = _Guard()
sys.addaudithook(_GUARD.hook)


@pytest.fixture(autouse=True)
def _guards(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    def sleep(seconds: float) -> None:
        raise Guarded(f"this unit test sleeps {seconds} s; give the code a clock of its own")

    monkeypatch.setattr(time, "sleep", sleep)
    _GUARD.active = True
    yield
    _GUARD.active = False
