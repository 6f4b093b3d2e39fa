"""What `files` promises survives a power cut at any point, and every one of its syncs is needed for it."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from power_cut import SYNCS, Disk, State, after_power_cuts, lay_out, note, record

from podup import files
from podup.files import calls
from podup.files.trace import Call

Work = Callable[[Path], None]
Check = Callable[[Path, list[str]], bool]


def write_twice(root: Path) -> None:
    for text in ("old", "new, and longer"):
        files.durable_write(root / "config", text.encode())
        note(text)


def is_last_promised(root: Path, promises: list[str]) -> bool:
    texts = ["old", "new, and longer"]
    path = root / "config"
    seen = path.read_text() if path.exists() else None
    return seen in ([None, *texts][len(promises) :][:2])


def make_nested(root: Path) -> None:
    files.make_dirs(root / "a" / "b")
    note("a/b")


def is_nested(root: Path, promises: list[str]) -> bool:
    return not promises or (root / "a" / "b").is_dir()


def write_journal(root: Path) -> None:
    with files.JournalWriter(root / "task.jsonl") as journal:
        for number in range(2):
            journal.write({"number": number})
            note(str(number))


def is_journal_whole(root: Path, promises: list[str]) -> bool:
    records, _ = files.read_journal(root / "task.jsonl")
    numbers = [record["number"] for record in records]
    return numbers == list(range(len(numbers))) and len(numbers) >= len(promises)


def append_lines(root: Path) -> None:
    files.append_line(root / "history.log", "first")
    note("first")


def append_after_a_killed_writer(root: Path) -> None:
    os.close(calls.create(root / "history.log", 0o600))
    files.append_line(root / "history.log", "first")
    note("first")


def has_promised_lines(root: Path, promises: list[str]) -> bool:
    path = root / "history.log"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return lines[: len(promises)] == [text.encode() for text in promises]


def use_spool(root: Path) -> None:
    spool = files.Spool(root / "spool")
    spool.put("k", b"payload")
    note("put")


def empty_spool(root: Path) -> None:
    use_spool(root)
    note("removing")
    files.Spool(root / "spool").remove("k")
    note("removed")


def is_spool_right(root: Path, promises: list[str]) -> bool:
    items = list(files.Spool(root / "spool").items())
    if "removed" in promises:
        return items == []
    return items == [("k", b"payload")] or (items == [] and promises != ["put"])


def copy_kept(root: Path) -> None:
    files.copy_file(Path(__file__), root / "copy")
    note("copied")


def is_copied(root: Path, promises: list[str]) -> bool:
    seen = (root / "copy").read_bytes() if (root / "copy").exists() else None
    return seen == Path(__file__).read_bytes() or (seen is None and not promises)


CASES = [
    pytest.param(write_twice, is_last_promised, id="durable_write"),
    pytest.param(make_nested, is_nested, id="make_dirs"),
    pytest.param(write_journal, is_journal_whole, id="journal"),
    pytest.param(append_lines, has_promised_lines, id="append_line"),
    pytest.param(append_after_a_killed_writer, has_promised_lines, id="append_line-recovered"),
    pytest.param(use_spool, is_spool_right, id="spool-put"),
    pytest.param(empty_spool, is_spool_right, id="spool-remove"),
    pytest.param(copy_kept, is_copied, id="copy_file"),
]


class Bench:
    """Records the work in one directory and judges what power cuts leave of it in others."""

    def __init__(self, tmp_path: Path, work: Work, check: Check) -> None:
        self.live = tmp_path / "live"
        self.live.mkdir()
        self.disk = lambda: Disk(self.empty)
        self.empty = tmp_path / "empty"
        self.empty.mkdir()
        self.calls = [self._moved(call) for call in record(lambda: work(self.live))]
        self.check = check
        self.numbers = count()
        self.tmp_path = tmp_path

    def _moved(self, call: Call) -> Call:
        live, empty = str(self.live), str(self.empty)
        path, other = call.path.replace(live, empty), call.other.replace(live, empty)
        return Call(call.number, call.name, path, other, call.data, call.offset)

    def broken(self, calls: list[Call]) -> State | None:
        """Return the first state that breaks a promise."""
        for promises, state in after_power_cuts(self.disk(), calls):
            root = lay_out(state, self.tmp_path / f"cut{next(self.numbers)}")
            try:
                holds = self.check(root, promises)
            except ValueError:  # a torn item cannot be read
                holds = False
            if not holds:
                return state
        return None


@pytest.mark.parametrize(("work", "check"), CASES)
def test_promises_hold_after_a_power_cut_anywhere(tmp_path: Path, work: Work, check: Check) -> None:
    bench = Bench(tmp_path, work, check)
    assert bench.broken(bench.calls) is None


@pytest.mark.parametrize(("work", "check"), CASES)
def test_leaving_out_any_one_sync_breaks_a_promise(tmp_path: Path, work: Work, check: Check) -> None:
    bench = Bench(tmp_path, work, check)
    syncs = [index for index, call in enumerate(bench.calls) if call.name in SYNCS]
    assert syncs
    unneeded = [
        bench.calls[index]
        for index in syncs
        if bench.broken(bench.calls[:index] + bench.calls[index + 1 :]) is None
    ]
    assert unneeded == []
