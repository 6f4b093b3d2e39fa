"""File systems of one's own: a process with its own mounts, which end with it."""

import ctypes
import os
import traceback
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_REC, _MS_PRIVATE = 1, 32, 16384, 1 << 18
_REFUSED = 77
_libc = ctypes.CDLL(None, use_errno=True)


def _called(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _enter() -> None:
    """Leave the mounts of the machine. Raises OSError where that is not allowed."""
    uid, gid = os.getuid(), os.getgid()
    _called(_libc.unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if uid else 0)))
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    _called(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))


def in_memory(directory: Path, *, kib: int) -> Path:
    """Put an empty file system of that size at `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    _called(_libc.mount(b"tmpfs", bytes(directory), b"tmpfs", 0, f"size={kib}k".encode()))
    return directory


def read_only(directory: Path, *, is_on: bool) -> None:
    """Make the file system at `directory` read-only, or writable again."""
    flags = _MS_REMOUNT | (_MS_RDONLY if is_on else 0)
    _called(_libc.mount(b"tmpfs", bytes(directory), b"tmpfs", flags, None))


def with_own_mounts(work: Callable[[], None]) -> str:
    """Run `work` in a process with its own mounts.

    Returns why that is not possible here, empty when it ran well; fails when `work` did.
    """
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            _enter()
        except OSError:
            os._exit(_REFUSED)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            code = 1
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, _REFUSED), f"it failed in the process of its own (exit {code}), see above"
    return "mounts of one's own are not allowed here (unshare(2))" if code else ""
