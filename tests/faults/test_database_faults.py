"""The database killed, or failed by its disk, at every effect of migrating, backing up and restoring.

Each case runs in a process of its own. What is left is then opened as the next start would do it: it has to
be whole, with every row that was acknowledged, on the old schema or the new one, and nothing lies about.
"""

import errno
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from power_cut import SYNCS, Disk, after_power_cuts, lay_out, note, record

from podup.errors import PodupError
from podup.files import FileLock, trace
from podup.files.trace import Call
from podup.store import backup
from podup.store.db import Database, problems
from podup.store.migrations import Migration, open_current, read_all

ONE = b"-- oldest-reader: 0.1.0\nCREATE TABLE kept (x INTEGER PRIMARY KEY);\n"
TWO = b"-- oldest-reader: 0.1.0\nALTER TABLE kept ADD COLUMN y;\nUPDATE kept SET y = x + 1;\n"
OLD = read_all({"0001_one.sql": ONE})
NEW = read_all({"0001_one.sql": ONE, "0002_two.sql": TWO})
FAULTS = ["kill", "ENOSPC", "EIO", "EROFS"]


def start(root: Path, known: tuple[Migration, ...]) -> tuple[Database, FileLock]:
    lock = FileLock(root / "daemon.lock")
    lock.acquire()
    path = root / "data" / "x.db"
    try:
        return open_current(
            path, lock=lock, version="0.1.0", now=1.0, backups=root / "b", known=known
        )[0], lock  # fmt: skip
    except BaseException:
        lock.release()
        raise


def make(root: Path) -> None:
    root.mkdir()
    db, lock = start(root, OLD)
    with db.write() as cx:
        cx.executemany("INSERT INTO kept VALUES (?)", [(number,) for number in range(50)])
    backup.back_up(db, root / "b" / "good.db")
    with db.write() as cx:
        cx.execute("INSERT INTO kept VALUES (100)")
    db.close()
    lock.release()


def upgrade(root: Path) -> None:
    db, lock = start(root, NEW)
    db.close()
    lock.release()


def back_up(root: Path) -> None:
    db, lock = start(root, OLD)
    backup.back_up(db, root / "b" / "daily-1.db")
    db.close()
    lock.release()


def restore(root: Path) -> None:
    with FileLock(root / "daemon.lock") as lock:
        backup.restore(root / "b" / "good.db", root / "data" / "x.db", lock=lock)


def write_rows(root: Path) -> None:
    db, lock = start(root, OLD)
    for number in range(200, 205):
        with db.write() as cx:
            cx.execute("INSERT INTO kept VALUES (?)", (number,))
        with open(root / "acknowledged", "a") as file:
            file.write(f"{number}\n")
    db.close()
    lock.release()


WORK = {"upgrade": upgrade, "back_up": back_up, "restore": restore, "write": write_rows}


def in_child(work: Callable[[], None], watcher: Callable[[Call], None]) -> int:
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 0
    try:
        with trace.watched(watcher):
            work()
    except PodupError:
        code = 1
    except BaseException:
        traceback.print_exc()
        code = 98
    os._exit(code)


def count_effects(root: Path, work: Callable[[Path], None]) -> int:
    seen: list[Call] = []
    with trace.watched(seen.append):
        work(root)
    return len(seen)


def check(root: Path, name: str) -> None:
    known = NEW if name == "upgrade" else OLD
    before = (50, 51) if name == "restore" else (51,)
    for _ in range(2):  # recovering once more changes nothing
        db, lock = start(root, known)
        with db.read() as cx:
            assert problems(cx) == []
            rows = {row[0] for row in cx.execute("SELECT x FROM kept")}
            if name == "upgrade":
                assert cx.execute("SELECT count(*) FROM kept WHERE y = x + 1").fetchone()[0] == len(rows)
        db.close()
        lock.release()
        assert len([row for row in rows if row < 200]) in before
        acknowledged = root / "acknowledged"
        if acknowledged.exists():
            assert {int(line) for line in acknowledged.read_text().split()} <= rows
    for path in (root / "b").glob("*.db"):
        backup.verify(path)
    assert [path.name for path in root.rglob(".*")] == []
    sides = {path.name for path in (root / "data").iterdir()} - {"x.db"}
    assert sides <= ({"x.db.before-restore"} if name == "restore" else set())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WORK)
def test_a_fault_at_every_effect(tmp_path: Path, name: str, fault: str) -> None:
    work = WORK[name]
    rehearsal = tmp_path / "rehearsal"
    make(rehearsal)
    count = count_effects(rehearsal, work)
    assert count
    for at in range(1, count + 1):
        root = tmp_path / f"at{at}"
        make(root)

        def watcher(call: Call, at: int = at) -> None:
            if call.number != at:
                return
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(getattr(errno, fault), fault)

        status = in_child(lambda root=root: work(root), watcher)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed if fault == "kill" else os.waitstatus_to_exitcode(status) == 1, (at, status)
        check(root, name)


class Cuts:
    """A restore recorded once, and judged after power cuts at any point, with or without some call."""

    def __init__(self, tmp_path: Path, *, has_wal: bool) -> None:
        self.tmp_path, self.number = tmp_path, 0
        self.wal = {"x.db-wal": b"its wal"} if has_wal else {}
        tmp_path.mkdir(exist_ok=True)
        make(tmp_path / "live")
        live = tmp_path / "live" / "data"
        self.good = (tmp_path / "live" / "b" / "good.db").read_bytes()
        older = {"x.db.before-restore": b"older", "x.db.before-restore-wal": b"older wal"}
        for name, content in {**self.wal, **older}.items():
            (live / name).write_bytes(content)
        self.old = (live / "x.db").read_bytes()
        self.start = tmp_path / "start"
        lay_out({path.name: path.read_bytes() for path in live.iterdir()}, self.start)
        staged = backup._staged(live / "x.db")

        def work() -> None:
            backup.files.copy_file(tmp_path / "live" / "b" / "good.db", staged)
            note("decided")
            backup.finish_restore(live / "x.db")
            note("restored")

        self.calls = [self._moved(call, str(live)) for call in record(work)]

    def _moved(self, call: Call, live: str) -> Call:
        start = str(self.start)
        return replace(call, path=call.path.replace(live, start), other=call.other.replace(live, start))

    def is_broken(self, calls: list[Call]) -> bool:
        found = after_power_cuts(Disk(self.start), calls)
        return any(not self._holds(promises, state) for promises, state in found)

    def _holds(self, promises: list[str], state: dict[str, bytes | None]) -> bool:
        self.number += 1
        root = lay_out(state, self.tmp_path / f"cut{self.number}")
        path = root / "x.db"
        if "restored" in promises and path.read_bytes() != self.good:
            return False
        backup.finish_restore(path)
        seen = {entry.name: entry.read_bytes() for entry in root.iterdir()}
        if seen["x.db"] == self.old:
            return not promises and self.wal.items() <= seen.items()
        kept = {f"x.db.before-restore{name.removeprefix('x.db')}": data for name, data in self.wal.items()}
        return seen == {"x.db": self.good, "x.db.before-restore": self.old, **kept}


@pytest.mark.parametrize("has_wal", [True, False])
def test_a_restore_survives_a_power_cut_anywhere(tmp_path: Path, has_wal: bool) -> None:
    cuts = Cuts(tmp_path, has_wal=has_wal)
    assert not cuts.is_broken(cuts.calls)


def test_leaving_out_any_one_sync_of_a_restore_breaks_it(tmp_path: Path) -> None:
    unneeded = []
    for has_wal in (True, False):
        cuts = Cuts(tmp_path / str(has_wal), has_wal=has_wal)
        syncs = [index for index, call in enumerate(cuts.calls) if call.name in SYNCS]
        without = {index: cuts.calls[:index] + cuts.calls[index + 1 :] for index in syncs}
        unneeded.append({place for place, index in enumerate(syncs) if not cuts.is_broken(without[index])})
    assert set.intersection(*unneeded) == set()
