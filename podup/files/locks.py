"""Kernel locks on files: they die with their owner, and are never inherited by a program it starts.

A lock is two locks on one close-on-exec descriptor: flock(2), so that flock(1) in a script meets it, and
an open-file-description lock (fcntl(2), F_OFD_SETLK), because that kind can be looked at (F_OFD_GETLK)
without being taken for a moment, which would make somebody else's attempt fail. Lock files are never
unlinked: a second process could hold the lock of a file that no longer has a name.
"""

import fcntl
import json
import os
import struct
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from podup.errors import Busy
from podup.files import calls

_NOTE_BYTES = 256
_FLOCK = "hhqqi0q"  # struct flock of fcntl(2): type, whence, start, length, pid


def lock_descriptor(descriptor: int, *, blocking: bool = False) -> bool:
    """Lock an open file for the life of its descriptor; False when somebody else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        request = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW if blocking else fcntl.F_OFD_SETLK, request)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """True while a living process holds the `FileLock` or `JournalWriter` of this file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        request = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, request)
        return bool(struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


def holder(path: Path) -> str:
    """Return who holds the lock, like `pid 4711 (http-server)`; empty when nobody does."""
    if not is_locked(path):
        return ""
    with open(path, "rb") as file:
        note = file.read(_NOTE_BYTES)
    try:
        seen = json.loads(note)
        return f"pid {seen['pid']} ({seen['what']})" if seen["what"] else f"pid {seen['pid']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


class FileLock:
    """An exclusive lock on a file made for it; `what` tells others who holds it.

    As a context manager it does not wait: `Busy('locked')` names the holder.
    """

    def __init__(self, path: Path, *, what: str = "") -> None:
        self.path = path
        self.what = what
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """True while this object holds the lock."""
        return self._descriptor is not None

    def acquire(self, *, blocking: bool = False) -> bool:
        """Take the lock; False when another holds it. Raises Unavailable when the file cannot be made."""
        if self._descriptor is not None:
            return True
        descriptor = self._open()
        try:
            if not lock_descriptor(descriptor, blocking=blocking):
                os.close(descriptor)
                return False
            self._sign(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go; without effect when the lock is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "FileLock":
        if not self.acquire():
            who = holder(self.path) or "another process"
            raise Busy("locked", f"{self.path} is held by {who}", "wait until it is done, or stop it")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        while True:
            with suppress(FileNotFoundError):
                return calls.open_existing(self.path)
            with suppress(FileExistsError):
                return calls.create(self.path, 0o600)

    def _sign(self, descriptor: int) -> None:
        # Always the same length and in place: needs no room on a full disk after the first time.
        note = json.dumps({"pid": os.getpid(), "what": self.what[:80]}).encode()
        os.lseek(descriptor, 0, os.SEEK_SET)
        calls.write(descriptor, self.path, note[: _NOTE_BYTES - 1].ljust(_NOTE_BYTES - 1) + b"\n")
