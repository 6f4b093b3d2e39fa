"""Code of modules compiled once and kept for the next start, in `~/.cache/pod-upgrade-trigger/` of the user.

A directory holds what one built file gives one interpreter: it is named after a hash of the sources and
the magic number of the interpreter's code, so no entry is ever out of date. A file in it is one module:
CRC-32 (4 bytes, little-endian), then the marshalled code.

Promise: a start is the same with and without what is kept here, only slower. A file that is short, empty
after a power cut, or not what its CRC says is compiled anew; where nothing can be written, nothing is kept.
Entries appear whole (renamed into place), so any number of processes may write.
Refused: to take code from a directory that is another user's or that others may write to, and to write below
a home that is another user's (`sudo` may keep HOME).

Loaded before everything else, so it uses no door of the program's: it reads HOME and XDG_CACHE_HOME, and
writes without syncing, because what it writes may be lost.
Sources: XDG Base Directory Specification 0.8, PEP 3147.
"""

import os
import stat
from contextlib import suppress
from zlib import crc32

NAME = "pod-upgrade-trigger"
_VERSIONS_KEPT = 4  # the running one, the one before, and what an update tries: their task processes too
_CRC_BYTES = 4


def cache_directory() -> str:
    """Return where this user's compiled code is, "" when there is no home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(given):
        home = os.path.expanduser("~")
        given = f"{home}/.cache" if os.path.isabs(home) else ""
    return given and f"{given}/{NAME}"


class Compiled:
    """The modules kept under one name in the user's directory; `root` is for tests."""

    def __init__(self, name: str, root: str = "") -> None:
        self._root = root or cache_directory()
        self._directory = f"{self._root}/{name}"
        self._is_readable = bool(self._root) and _is_ours_alone(self._root)
        self._is_writable = bool(self._root)
        self._is_made = False
        self.has_put = False

    def get(self, module: str) -> memoryview | None:
        """Return the marshalled code of a module, None when it is not kept or damaged."""
        if not self._is_readable:
            return None
        try:
            file = os.open(f"{self._directory}/{module}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.read(file, os.fstat(file).st_size)
        except OSError:
            return None
        finally:
            os.close(file)
        code = memoryview(data)[_CRC_BYTES:]
        return code if crc32(code).to_bytes(_CRC_BYTES, "little") == data[:_CRC_BYTES] else None

    def put(self, module: str, code: bytes) -> None:
        """Keep the code of a module, if that can be done; nothing is tried again after it could not."""
        if not self._is_writable:
            return
        try:
            if not self._is_made:
                self._make_directory()
            _write(f"{self._directory}/{module}", crc32(code).to_bytes(_CRC_BYTES, "little") + code)
        except OSError:
            self._is_writable = False
        self.has_put = self._is_writable

    def _make_directory(self) -> None:
        """Make the directory and remove those of the oldest versions. Raises OSError."""
        if not os.path.isdir(self._root):
            _make_below_own(self._root)
        if not _is_ours_alone(self._root):
            raise PermissionError(f"{self._root} is not this user's alone")
        with suppress(FileExistsError):
            os.mkdir(self._directory, 0o700)
            with suppress(OSError):  # another process removes them too, or they are not ours: they may stay
                _remove_oldest(self._root)
        self._is_made = True


def _is_ours_alone(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    is_shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not is_shared


def _make_below_own(path: str) -> None:
    """Make a directory, and those above it, below one that belongs to this user. Raises OSError."""
    above = os.path.dirname(path)
    if not os.path.isdir(above):
        _make_below_own(above)
    if os.stat(above).st_uid != os.geteuid():
        raise PermissionError(f"{above} is another user's")
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)


def _write(path: str, data: bytes) -> None:
    """Put a file in its place, whole. Raises OSError."""
    fresh = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(fresh, flags, 0o600)
    try:
        try:
            is_whole = os.write(file, data) == len(data)
        finally:
            os.close(file)
        if not is_whole:
            raise OSError(f"no room for {path}")
        os.rename(fresh, path)
    except OSError:
        os.unlink(fresh)
        raise


def _remove_oldest(root: str) -> None:
    """Remove the directories of all but the newest versions. Raises OSError when one cannot be removed."""
    with os.scandir(root) as entries:
        versions = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    dated = sorted((entry.stat(follow_symlinks=False).st_mtime, entry.path) for entry in versions)
    for _, path in dated[:-_VERSIONS_KEPT]:
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
        os.rmdir(path)
