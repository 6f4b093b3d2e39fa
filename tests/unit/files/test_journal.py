"""Journals: whole lines only, one writer, readers that follow."""

import errno
from pathlib import Path

import pytest

from podup.errors import Busy, Invalid, Unavailable
from podup.files import JournalWriter, is_locked, read_journal, trace
from podup.files.trace import Call


def test_a_reader_follows_by_offset(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with JournalWriter(path) as journal:
        journal.write({"step": 1, "says": "pull ✓"})
        records, offset = read_journal(path)
        assert records == [{"step": 1, "says": "pull ✓"}]
        journal.write({"step": 2}, sync=False)
        assert read_journal(path, offset=offset)[0] == [{"step": 2}]


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none", offset=7) == ([], 7)


def test_the_lock_tells_whether_the_writer_lives(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path / "t")
    assert is_locked(tmp_path / "t")
    with pytest.raises(Busy):
        JournalWriter(tmp_path / "t")
    journal.close()
    assert not is_locked(tmp_path / "t")


@pytest.mark.parametrize("torn", [b'{"step":', b"x" * 300_000])
def test_a_torn_line_is_not_read_and_cut_off_by_the_next_writer(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(b'{"step":1}\n' + torn)
    records, offset = read_journal(path)
    assert (records, offset) == ([{"step": 1}], 11)
    with JournalWriter(path) as journal:
        journal.write({"step": 2})
    assert path.read_bytes() == b'{"step":1}\n{"step":2}\n'


def test_a_line_of_zeros_from_a_power_cut_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b'{"a":1}\n' + bytes(9) + b'\n{"a":2}\n[1]\n')
    assert read_journal(tmp_path / "t")[0] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_record_that_was_refused_is_not_read(tmp_path: Path, step: str) -> None:
    def full(call: Call) -> None:
        if call.name == step:
            raise OSError(errno.ENOSPC, "full")

    with JournalWriter(tmp_path / "t") as journal:
        journal.write({"step": 1})
        with trace.watched(full), pytest.raises(Unavailable):
            journal.write({"step": 2})
        journal.write({"step": 3})
    assert read_journal(tmp_path / "t")[0] == [{"step": 1}, {"step": 3}]


def test_a_record_has_a_bound(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "t") as journal, pytest.raises(Invalid):
        journal.write({"output": "x" * 300_000})
