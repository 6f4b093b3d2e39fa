"""One writer, transactions whole or not at all, readers that change nothing."""

import errno
import sqlite3
import threading
from pathlib import Path

import pytest

from podup.errors import NotFound, PodupError, Unavailable
from podup.files import FileLock, trace
from podup.files.trace import Call
from podup.store.db import Database, IntegrityError, Reader, problems, statements


def put(db: Database, key: str) -> None:
    with db.write() as cx:
        cx.execute("INSERT INTO schedule (last_at, name, note) VALUES (0, ?, 'v')", (key,))


def keys(db: Database) -> list[str]:
    with db.read() as cx:
        return [row["key"] for row in cx.execute("SELECT name AS key FROM schedule ORDER BY name")]


def test_a_writer_wants_the_lock_held(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        Database(tmp_path / "x.db", lock=FileLock(tmp_path / "l"))


def test_the_file_is_private_and_settings_are_the_safe_ones(db: Database) -> None:
    assert db.path.stat().st_mode & 0o777 == 0o600
    with db.write() as cx:
        seen = {name: cx.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")}  # fmt: skip
    assert seen == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
    with db.read() as cx:
        assert problems(cx) == []


def test_a_block_that_raises_leaves_nothing(db: Database) -> None:
    put(db, "kept")
    with pytest.raises(IntegrityError):
        put(db, "kept")
    with pytest.raises(ValueError), db.write() as cx:
        cx.execute("INSERT INTO schedule (last_at, name, note) VALUES (0, 'gone', 'v')")
        raise ValueError
    assert keys(db) == ["kept"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_commit_that_fails_leaves_nothing_and_the_next_one_works(db: Database, error: int) -> None:
    def refuse(call: Call) -> None:
        if call.name == "commit":
            raise OSError(error, "no")

    with trace.watched(refuse), pytest.raises(Unavailable) as caught:
        put(db, "a")
    assert caught.value.code == "db-write-failed"
    put(db, "b")
    assert keys(db) == ["b"]


def test_a_connection_that_cannot_roll_back_is_replaced_as_soon_as_the_disk_gives_one(db: Database) -> None:
    def refuse_rolling_back(action: int, what: str | None, *_: object) -> int:
        is_rollback = action == sqlite3.SQLITE_TRANSACTION and what == "ROLLBACK"
        return sqlite3.SQLITE_DENY if is_rollback else sqlite3.SQLITE_OK

    away = db.path.parent.with_name("away")
    with pytest.raises(ZeroDivisionError), db.write() as cx:
        cx.set_authorizer(refuse_rolling_back)
        cx.execute("INSERT INTO schedule (last_at, name, note) VALUES (0, 'half', 'v')")
        db.path.parent.rename(away)
        raise ZeroDivisionError
    with pytest.raises(Unavailable, match="cannot write to the database"), db.write():
        pass
    away.rename(db.path.parent)
    put(db, "whole")
    assert keys(db) == ["whole"]


def test_a_full_database_says_so(db: Database) -> None:
    with db.alone() as cx:
        pages = cx.execute("PRAGMA page_count").fetchone()[0]
        cx.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    with pytest.raises(Unavailable) as caught, db.write() as cx:
        cx.execute("INSERT INTO schedule (last_at, name, note) VALUES (0, 'big', ?)", ("x" * 100_000,))
    assert caught.value.code == "db-write-failed"
    assert caught.value.hint
    assert keys(db) == []


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database" * 100)
    with FileLock(tmp_path / "l") as lock, pytest.raises(Unavailable) as caught:
        Database(tmp_path / "x.db", lock=lock)
    assert caught.value.code == "db-damaged"


def test_a_write_inside_a_write_is_refused_instead_of_hanging(db: Database) -> None:
    with pytest.raises(RuntimeError), db.write(), db.write():
        pass
    put(db, "works")


def test_threads_take_turns_in_order(db: Database) -> None:
    order: list[int] = []
    started: list[threading.Thread] = []

    def work(number: int) -> None:
        with db.write() as cx:
            cx.execute("INSERT INTO schedule (last_at, name, note) VALUES (0, ?, '')", (str(number),))
            order.append(number)

    with db.write():
        for number in range(8):
            thread = threading.Thread(target=work, args=(number,), daemon=True)
            thread.start()
            started.append(thread)
            while len(db._turns._waiting) <= number:
                pass
    for thread in started:
        thread.join(30)
    assert order == list(range(8))


def test_readers_see_one_state_and_cannot_write(db: Database) -> None:
    with db.read() as cx:
        assert cx.execute("SELECT count(*) FROM schedule").fetchone()[0] == 0
        put(db, "meanwhile")
        assert cx.execute("SELECT count(*) FROM schedule").fetchone()[0] == 0
        with pytest.raises(PodupError) as caught, db.read() as inner:
            inner.execute("INSERT INTO schedule (last_at, name, note) VALUES (0, 'x', '')")
    assert caught.value.code == "db-read-failed"
    assert keys(db) == ["meanwhile"]


def test_a_process_without_the_lock_reads_with_or_without_a_living_writer(db: Database) -> None:
    put(db, "a")
    reader = Reader(db.path)
    with reader.read() as cx:
        assert cx.execute("SELECT name AS key FROM schedule").fetchone()["key"] == "a"
    reader.close()
    db.close()
    assert not db.path.with_name(db.path.name + "-wal").exists()
    reader = Reader(db.path)
    with reader.read() as cx:
        assert cx.execute("SELECT name AS key FROM schedule").fetchone()["key"] == "a"
    reader.close()
    with pytest.raises(NotFound):
        Reader(db.path.with_name("none.db"))


def test_the_last_reader_leaves_the_wal_to_the_writer(db: Database, tmp_path: Path) -> None:
    put(db, "a")
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):
        source = db.path.with_name(db.path.name + suffix)
        copy.with_name(copy.name + suffix).write_bytes(source.read_bytes())
    size = copy.with_name("copy.db-wal").stat().st_size
    reader = Reader(copy)
    with reader.read() as cx:
        assert cx.execute("SELECT name AS key FROM schedule").fetchone()["key"] == "a"
    reader.close()
    assert copy.with_name("copy.db-wal").stat().st_size == size


def test_scripts_are_split_at_the_ends_of_statements_only() -> None:
    script = """-- a; comment
    CREATE TABLE a (x TEXT DEFAULT ';'); /* ; */ INSERT INTO a VALUES ('it''s; fine');
    CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; SELECT 1; END;
    -- the end
    """
    assert len(list(statements(script))) == 3
    with pytest.raises(ValueError):
        list(statements("SELECT 1; SELECT 2"))
