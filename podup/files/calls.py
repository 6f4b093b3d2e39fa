"""The mutating system calls, one function each, each announced to `trace` before it is made.

Nothing else in the program changes the file system. Failures become `Unavailable` with code
`file-write-failed` and a hint that fits the errno; FileExistsError and FileNotFoundError stay what they
are, because callers rely on them.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podup.errors import Unavailable
from podup.files.trace import announce

_HINTS = {
    errno.ENOSPC: "free some room on that file system",
    errno.EDQUOT: "the quota is used up; free some room or raise it",
    errno.EROFS: "the file system is mounted read-only; the kernel log may say why",
    errno.EACCES: "check owner and mode of the directory",
    errno.EPERM: "check owner and mode of the directory",
    errno.EIO: "the disk reports errors; look at the kernel log before anything else",
}


@contextmanager
def told(path: str | Path) -> Iterator[None]:
    """Turn an operating system error about `path` into `Unavailable('file-write-failed')`."""
    try:
        yield
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = _HINTS.get(error.errno or 0, "")
        raise Unavailable("file-write-failed", f"cannot write {path}: {reason}", hint) from error


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Turn trouble in reading `path` into `Unavailable('file-not-readable')`.

    FileNotFoundError stays, and NotADirectoryError becomes one.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from error
    except OSError as error:
        hint = "the kernel log may say what is wrong with the disk"
        raise Unavailable("file-not-readable", f"cannot read {path}: {error.strerror}", hint) from error


def create(path: Path, mode: int) -> int:
    """Create a file that must not exist and return its descriptor, close-on-exec, never through a link."""
    with told(path):
        announce("create", path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, mode)
        try:
            os.fchmod(descriptor, mode)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor


def open_existing(path: Path, *, append: bool = False) -> int:
    """Open an existing file for reading and writing, close-on-exec. Raises FileNotFoundError."""
    with told(path):
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_APPEND if append else 0))


def write(descriptor: int, path: Path, data: bytes) -> None:
    """Write all of `data` at the descriptor's position, however often the kernel takes only a part."""
    with told(path):
        announce("write", path, data=data, offset=os.lseek(descriptor, 0, os.SEEK_CUR))
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def truncate(descriptor: int, path: Path, length: int) -> None:
    """Cut the file to `length` bytes; the descriptor stands at its new end."""
    with told(path):
        announce("truncate", path, offset=length)
        os.ftruncate(descriptor, length)
        os.lseek(descriptor, length, os.SEEK_SET)


def fsync(descriptor: int, path: Path) -> None:
    """Return when the file's bytes are on the disk. After a failure, bytes that were not synced are lost."""
    with told(path):
        announce("fsync", path)
        os.fsync(descriptor)


def sync_dir(path: Path) -> None:
    """Return when the names in this directory are on the disk."""
    with told(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            announce("sync_dir", path)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Put `source` in the place of `target`, atomically; durable after `sync_dir`.

    When both are links to one inode rename(2) does nothing; the name `source` is removed then, so that
    in every case only `target` is left.
    """
    with told(target):
        if _is_same_file(source, target):
            unlink(source)
            return
        announce("rename", source, other=target)
        os.rename(source, target)


def link(source: Path, target: Path) -> None:
    """Give the file a second name; durable after `sync_dir`. Raises FileExistsError."""
    with told(target):
        announce("link", source, other=target)
        os.link(source, target, follow_symlinks=False)


def unlink(path: Path) -> None:
    """Take a name away; durable after `sync_dir`. Raises FileNotFoundError."""
    with told(path):
        announce("unlink", path)
        os.unlink(path)


def mkdir(path: Path, mode: int) -> None:
    """Make one directory; durable after `sync_dir` of its parent. Raises FileExistsError."""
    with told(path):
        announce("mkdir", path)
        os.mkdir(path, mode)


def rmdir(path: Path) -> None:
    """Remove an empty directory; durable after `sync_dir` of its parent."""
    with told(path):
        announce("rmdir", path)
        os.rmdir(path)


def chmod(descriptor: int, path: Path, mode: int) -> None:
    """Set the permission bits of an open file."""
    with told(path):
        announce("chmod", path)
        os.fchmod(descriptor, mode)


def chown(descriptor: int, path: Path, uid: int, gid: int) -> None:
    """Give an open file to another owner. Only root may."""
    with told(path):
        announce("chown", path)
        os.fchown(descriptor, uid, gid)


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except FileNotFoundError:
        return False
