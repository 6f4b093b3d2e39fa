"""Which failures are the machine's."""

import errno
import os

import pytest

from podup.core.host_faults import is_of_host, says_host
from podup.errors import Invalid, PodupError, Unavailable

THE_MACHINES = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EDQUOT)
THE_PROGRAMS = (errno.ENOENT, errno.EACCES, errno.EEXIST, errno.EINVAL)


@pytest.mark.parametrize("number", THE_MACHINES)
def test_the_machine_is_to_blame(number):
    error = OSError(number, os.strerror(number), "/somewhere")
    assert is_of_host(error) and says_host(f"OSError: {error}")


@pytest.mark.parametrize("number", THE_PROGRAMS)
def test_the_program_is_to_blame(number):
    error = OSError(number, os.strerror(number), "/somewhere")
    assert not is_of_host(error) and not says_host(f"FileNotFoundError: {error}")


def test_errors_of_ours_go_by_their_code():
    assert is_of_host(Unavailable("file-write-failed", "no room"))
    assert is_of_host(Unavailable("db-write-failed", "database or disk is full"))
    assert not is_of_host(Unavailable("db-damaged", "not a database"))
    assert not is_of_host(PodupError("migration-failed", "no such table"))
    assert not is_of_host(Invalid("usage", "what?"))


@pytest.mark.parametrize(
    "line", ["MemoryError", "RuntimeError: can't start new thread", "python3: [Errno 11] Resource busy"]
)
def test_no_memory(line):
    assert says_host(line)


@pytest.mark.parametrize(
    "why",
    [
        "libsqlite3.so.0: failed to map segment from shared object",
        "libssl.so.3: cannot open shared object file: Too many open files",
        "_ssl.so: cannot allocate version reference table: Cannot allocate memory",
    ],
)
def test_a_library_that_finds_no_room(why):
    assert says_host(f"ImportError: {why}")
    assert not says_host(f"ValueError: {why}")


@pytest.mark.parametrize(
    "line", ["", "ImportError: no module", "ValueError: MemoryError", "x: [Errno]", "x: [Errno 99999]"]
)
def test_a_line_that_blames_nobody(line):
    assert not says_host(line)
