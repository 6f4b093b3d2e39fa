"""Which failures are the machine's and not the program's: no room, no memory, no descriptors, a failing disk.

A program that failed for one of them says nothing about itself and may be tried again. Sources: errno(3), and
how CPython prints an exception that nobody caught (its last line).
"""

import errno
from enum import StrEnum

from podup.errors import PodupError
from podup.patterns import regex
from podup.records import dataclass

HOST_UNFIT = "host-unfit"
_ERRNOS = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.ESTALE,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EAGAIN,
    )
)
_CODES = frozenset(
    (
        HOST_UNFIT,
        "file-write-failed",
        "file-not-readable",
        "db-write-failed",
        "db-read-failed",
        "result-not-written",
    )
)
_ERRNO_SAID = regex(r"\[Errno ([0-9]{1,4})\]")
_NO_MEMORY = ("MemoryError", "RuntimeError: can't start new thread")
# What dlopen(3) says in an ImportError when a module's library finds no memory or no descriptor.
_NOT_LOADED = ("failed to map segment", "Cannot allocate memory", "Too many open files")


class Blame(StrEnum):
    """Whose fault it is: the program's, the world's (this machine, the network), or nobody can tell."""

    PROGRAM = "program"
    WORLD = "world"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Problem:
    """What was found before anything was touched: a sentence, and whose fault it is."""

    says: str
    blame: Blame = Blame.PROGRAM


def is_of_host(error: BaseException) -> bool:
    """Return whether the machine is to blame for what was raised."""
    if isinstance(error, PodupError):
        return error.code in _CODES
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _ERRNOS)


def says_host(line: str) -> bool:
    """Return whether the last line of a traceback blames the machine."""
    if line.startswith("ImportError: ") and any(words in line for words in _NOT_LOADED):
        return True
    found = _ERRNO_SAID.search(line)
    return line.startswith(_NO_MEMORY) or (found is not None and int(found[1]) in _ERRNOS)
