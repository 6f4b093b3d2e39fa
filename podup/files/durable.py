"""Whole files that survive a power cut: a reader sees the old content or the new one, never a part.

The new content goes to a temporary file in the same directory (`.NAME.PID.N.tmp`, O_EXCL, locked while
its writer lives), is synced, renamed over the old one, and the directory is synced. When a step fails the
temporary file is discarded and the error raised. What a killed writer leaves, `remove_leftovers` removes.
"""

import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from podup.errors import Invalid, Unavailable
from podup.files import calls
from podup.files.locks import is_locked, lock_descriptor
from podup.patterns import regex

MAX_LINE_BYTES = 4096
_CHUNK_BYTES = 1024 * 1024
_numbers = itertools.count(1)
_LEFTOVER = regex(r"^\..+\.[0-9]+\.[0-9]+\.tmp$")


class NewFile:
    """A file being written that must not have existed, locked until closed. `sync` before it is trusted.

    `fileno` serves a child process that writes into it. Leaving the `with` block on an error removes it.
    """

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        self.path = path
        self._descriptor = calls.create(path, mode)
        try:
            lock_descriptor(self._descriptor)
        except OSError:
            os.close(self._descriptor)
            raise

    def fileno(self) -> int:
        """Return the descriptor, positioned at the end of what was written."""
        return self._descriptor

    def write(self, data: bytes) -> None:
        """Append all of `data`."""
        calls.write(self._descriptor, self.path, data)

    def sync(self) -> None:
        """Return when all bytes are on the disk; the name is not yet (`sync_dir`)."""
        calls.fsync(self._descriptor, self.path)

    def close(self) -> None:
        """Close; without effect the second time."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "NewFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is not None:
            with suppress(FileNotFoundError, Unavailable):  # why it failed is the news, not what it left
                calls.unlink(self.path)


@contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[NewFile]:
    """Give a temporary file to fill; at the end of the block it is synced and takes the place of `path`.

    A symbolic link at `path` is replaced itself, not what it points to. What root replaces for somebody else
    stays theirs.
    """
    with _temporary(path, mode) as file:
        yield file
        _keep_owner(file, path)
        file.sync()
        calls.rename(file.path, path)
    calls.sync_dir(path.parent)


def _keep_owner(file: NewFile, path: Path) -> None:
    if os.geteuid() != 0:
        return
    with suppress(FileNotFoundError):
        was, now = os.lstat(path), os.fstat(file.fileno())
        if stat.S_ISREG(was.st_mode) and (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
            calls.chown(file.fileno(), path, was.st_uid, was.st_gid)


def durable_write(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write the file whole, or leave what was there. Returns when it is on the disk."""
    with replacing(path, mode=mode) as file:
        file.write(data)


def copy_file(source: Path, target: Path, *, mode: int = 0o600) -> None:
    """Copy the bytes durably; `target` is replaced atomically.

    Raises FileNotFoundError, Unavailable `file-not-readable` and `file-write-failed`.
    """
    # Writing raises no OSError of its own (calls.told), so those that are left are the source's.
    with calls.readable(source), open(source, "rb") as reading, replacing(target, mode=mode) as file:
        while chunk := reading.read(_CHUNK_BYTES):
            file.write(chunk)


def append_line(path: Path, line: str, *, mode: int = 0o600) -> None:
    """Append one line to a log that several processes share: one write, synced.

    The line holds no line break and at most 4,095 bytes. A line torn by a crash is ended first, so it
    never runs into the next one.
    """
    data = line.encode() + b"\n"
    if "\n" in line or len(data) > MAX_LINE_BYTES:
        raise Invalid("line-not-writable", f"a line of {path.name} has a line break or more than 4,095 bytes")
    try:
        descriptor = calls.open_existing(path, append=True)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.close(calls.create(path, mode))
        descriptor = calls.open_existing(path, append=True)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            data = b"\n" + data
        calls.write(descriptor, path, data)
        calls.fsync(descriptor, path)
    finally:
        os.close(descriptor)
    calls.sync_dir(path.parent)  # also when it exists: its first writer may have died before this


def make_dirs(path: Path, *, mode: int = 0o700) -> None:
    """Make the directory and the missing ones above it, each durable. What exists stays as it is.

    Raises Unavailable where none can be made.
    """
    if path.is_dir():
        return
    make_dirs(path.parent, mode=mode)
    try:
        calls.mkdir(path, mode)
    except FileExistsError:
        if not path.is_dir():
            raise Unavailable("file-write-failed", f"{path} is no directory", "move it away") from None
    except FileNotFoundError as error:  # /proc, for instance, takes no directory
        raise Unavailable("file-write-failed", f"cannot make {path}", "choose another place") from error
    calls.sync_dir(path.parent)


def remove(path: Path, *, missing_ok: bool = False) -> None:
    """Remove a file's name; durable after `sync_dir`. Raises FileNotFoundError unless `missing_ok`."""
    try:
        calls.unlink(path)
    except FileNotFoundError:
        if not missing_ok:
            raise


def remove_tree(path: Path) -> None:
    """Remove a directory and all below it, following no link; durable at the end. Missing is fine."""
    if not path.is_dir() or path.is_symlink():
        remove(path, missing_ok=True)
        return
    for entry in sorted(path.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
        else:
            calls.unlink(entry)
    calls.rmdir(path)
    calls.sync_dir(path.parent)


def set_mode(path: Path, mode: int) -> None:
    """Set the permission bits of a file, durably."""
    with _opened(path) as descriptor:
        calls.chmod(descriptor, path, mode)
        calls.fsync(descriptor, path)


def sync_file(path: Path) -> None:
    """Return when the bytes of a file that another program wrote are on the disk."""
    with _opened(path) as descriptor:
        calls.fsync(descriptor, path)


def remove_leftovers(directory: Path, *, of: str = "") -> tuple[Path, ...]:
    """Remove the temporary files of writers that are gone; return their paths.

    `of` is how the names written there begin, in a directory that is not ours alone.
    """
    names = (path for path in sorted(directory.iterdir()) if path.name.startswith(f".{of}"))
    found = [path for path in names if _LEFTOVER.match(path.name)]
    dead = tuple(path for path in found if not is_locked(path))
    for path in dead:
        remove(path, missing_ok=True)
    if dead:
        calls.sync_dir(directory)
    return dead


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = calls.open_existing(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _temporary(path: Path, mode: int) -> NewFile:
    while True:
        name = f".{path.name}.{os.getpid()}.{next(_numbers)}.tmp"
        with suppress(FileExistsError):  # left by an earlier process of this pid
            return NewFile(path.with_name(name), mode=mode)
