"""Whole files, shared logs, links and directories."""

import errno
import os
from pathlib import Path

import pytest

from podup import files
from podup.errors import Invalid, Unavailable
from podup.files import trace
from podup.files.trace import Call


def failing_at(name: str, error: int):
    def watcher(call: Call) -> None:
        if call.name == name:
            raise OSError(error, os.strerror(error))

    return watcher


def test_a_written_file_has_its_bytes_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    files.durable_write(path, b"one")
    files.durable_write(path, b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("step", ["create", "write", "fsync", "rename"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_step_leaves_the_old_file_and_nothing_else(tmp_path: Path, step: str, error: int) -> None:
    path = tmp_path / "config"
    files.durable_write(path, b"old")
    with trace.watched(failing_at(step, error)), pytest.raises(Unavailable) as caught:
        files.durable_write(path, b"new")
    assert caught.value.code == "file-write-failed"
    assert caught.value.hint
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["config"]


def test_leftovers_of_dead_writers_are_removed_and_those_of_living_ones_kept(tmp_path: Path) -> None:
    dead = tmp_path / ".config.123.1.tmp"
    dead.write_bytes(b"half")
    other = tmp_path / ".keep.tmp"
    other.write_bytes(b"")
    with files.NewFile(tmp_path / ".config.124.1.tmp") as living:
        assert files.remove_leftovers(tmp_path) == (dead,)
    assert sorted(os.listdir(tmp_path)) == sorted([living.path.name, other.name])


def test_in_a_directory_of_many_only_own_leftovers_are_removed(tmp_path: Path) -> None:
    own, foreign = tmp_path / ".tool.123.1.tmp", tmp_path / ".editor.123.1.tmp"
    for path in (own, foreign):
        path.write_bytes(b"half")
    assert files.remove_leftovers(tmp_path, of="tool") == (own,)
    assert os.listdir(tmp_path) == [foreign.name]


def test_a_source_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(Unavailable) as caught:
        files.copy_file(tmp_path, tmp_path / "target")
    assert caught.value.code == "file-not-readable"
    for missing in ("none", "target/below"):
        with pytest.raises(FileNotFoundError):
            files.copy_file(tmp_path / missing, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["target"]


def test_a_temporary_name_left_by_an_earlier_process_of_the_same_pid_is_no_obstacle(tmp_path: Path) -> None:
    files.durable_write(tmp_path / "a", b"1")
    for number in range(1, 1000):
        (tmp_path / f".a.{os.getpid()}.{number}.tmp").write_bytes(b"")
    files.durable_write(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"2"


def test_a_new_file_is_removed_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError), files.NewFile(tmp_path / "download") as file:
        file.write(b"part")
        raise ValueError
    assert os.listdir(tmp_path) == []


def test_a_new_file_does_not_replace_one(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    with pytest.raises(FileExistsError):
        files.NewFile(tmp_path / "there")


def test_a_line_torn_by_a_crash_does_not_run_into_the_next(tmp_path: Path) -> None:
    log = tmp_path / "history.log"
    files.append_line(log, "one")
    log.write_bytes(log.read_bytes() + b"tor")
    files.append_line(log, "two")
    assert log.read_text() == "one\ntor\ntwo\n"


@pytest.mark.parametrize("line", ["a\nb", "x" * 4096])
def test_lines_that_are_not_one_short_line_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(Invalid):
        files.append_line(tmp_path / "log", line)


def test_renaming_one_of_two_links_to_the_other_leaves_one_name(tmp_path: Path) -> None:
    (tmp_path / "T").write_bytes(b"program")
    files.link(tmp_path / "T", tmp_path / "T.old")
    files.link(tmp_path / "T", tmp_path / "T.old.tmp")
    files.rename(tmp_path / "T.old.tmp", tmp_path / "T.old")
    assert sorted(os.listdir(tmp_path)) == ["T", "T.old"]


def test_a_link_never_replaces(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"")
    with pytest.raises(FileExistsError):
        files.link(tmp_path / "a", tmp_path / "b")


def test_directories_get_their_mode_and_existing_ones_keep_theirs(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    files.make_dirs(tmp_path / "state" / "tasks")
    assert (tmp_path / "state" / "tasks").stat().st_mode & 0o777 == 0o700
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_tree_is_removed_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_bytes(b"")
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_bytes(b"")
    (tmp_path / "tree" / "away").symlink_to(tmp_path / "outside")
    files.remove_tree(tmp_path / "tree")
    assert os.listdir(tmp_path) == ["outside"]
    assert (tmp_path / "outside" / "kept").exists()


def test_the_mode_can_be_changed_durably(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    files.set_mode(tmp_path / "f", 0o755)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o755


def test_calls_are_numbered_from_one_in_order(tmp_path: Path) -> None:
    calls: list[Call] = []
    with trace.watched(calls.append):
        files.durable_write(tmp_path / "f", b"x")
    assert [(call.number, call.name) for call in calls] == [
        (1, "create"), (2, "write"), (3, "fsync"), (4, "rename"), (5, "sync_dir"),
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["/proc/no-such-place/below", "{file}", "{file}/below"])
def test_where_no_directory_can_be_made_the_error_says_so(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        files.make_dirs(Path(place.format(file=tmp_path / "file")))
