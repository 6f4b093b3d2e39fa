"""Kernel locks: exclusive, named, observable without being taken, never inherited."""

import json
import os
from pathlib import Path

import pytest

from podup.errors import Busy
from podup.files import FileLock, holder, is_locked


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "l", what="http-server"), FileLock(tmp_path / "l")
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_the_refusal_names_the_holder(tmp_path: Path) -> None:
    with FileLock(tmp_path / "l", what="http-server"):
        assert holder(tmp_path / "l") == f"pid {os.getpid()} (http-server)"
        with pytest.raises(Busy) as caught, FileLock(tmp_path / "l"):
            pass
    assert f"pid {os.getpid()} (http-server)" in caught.value.message
    assert caught.value.exit_code == 75
    assert holder(tmp_path / "l") == ""


def test_looking_does_not_take(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "l")
    assert not is_locked(tmp_path / "l")
    lock.acquire()
    assert is_locked(tmp_path / "l")
    assert is_locked(tmp_path / "l")
    lock.release()
    assert not is_locked(tmp_path / "l")
    assert (tmp_path / "l").exists()


def test_a_dead_owner_holds_nothing_and_a_shorter_name_leaves_no_rest(tmp_path: Path) -> None:
    with FileLock(tmp_path / "l", what="a much longer name of a holder"):
        pass
    with FileLock(tmp_path / "l", what="short"):
        assert holder(tmp_path / "l").endswith("(short)")


def test_a_lock_survives_nothing_but_its_process(tmp_path: Path) -> None:
    ready_read, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        FileLock(tmp_path / "l", what="child").acquire()
        os.write(ready_write, b".")
        os.read(ready_read, 0)
        os.kill(os.getpid(), 9)
    os.read(ready_read, 1)
    os.waitpid(child, 0)
    assert FileLock(tmp_path / "l").acquire()


def test_the_descriptor_is_not_inherited_by_programs(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "l")
    lock.acquire()
    links = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in map(int, os.listdir("/proc/self/fd")) if
             os.path.exists(f"/proc/self/fd/{fd}")}  # fmt: skip
    held = [fd for fd, target in links.items() if target == str(tmp_path / "l")]
    assert held
    assert not any(os.get_inheritable(fd) for fd in held)


@pytest.mark.parametrize("pid", [os.getpid(), 1, 1 << 30])
def test_a_number_left_in_the_file_holds_nothing_not_even_that_of_a_living_process(
    tmp_path: Path, pid: int
) -> None:
    """What an owner that was killed leaves, and what a boot later names somebody else."""
    (tmp_path / "l").write_text(json.dumps({"pid": pid, "what": "of another day"}))
    assert (holder(tmp_path / "l"), is_locked(tmp_path / "l")) == ("", False)
    with FileLock(tmp_path / "l", what="now"):
        assert holder(tmp_path / "l") == f"pid {os.getpid()} (now)"
