"""Verified copies, and a way back that a stale WAL cannot spoil."""

from pathlib import Path

import pytest

from podup.errors import NotFound, PodupError, Refused
from podup.files import FileLock
from podup.store.backup import back_up, finish_restore, list_backups, prune_backups, restore, verify
from podup.store.db import Database


def put(db: Database, *keys: str) -> None:
    with db.write() as cx:
        cx.executemany("INSERT INTO schedule (name, last_at) VALUES (?, 0)", [(key,) for key in keys])


def keys(path: Path, lock: FileLock) -> list[str]:
    db = Database(path, lock=lock)
    with db.read() as cx:
        found = [row[0] for row in cx.execute("SELECT name AS key FROM schedule ORDER BY name")]
    db.close()
    return found


def test_a_backup_is_one_whole_private_file(db: Database, tmp_path: Path) -> None:
    put(db, "a", "b")
    made = back_up(db, tmp_path / "backups" / "one.db")
    assert verify(made.path) == made
    assert made.counts["schedule"] == 2
    assert made.schema >= 1
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in made.path.parent.iterdir()] == ["one.db"]


def test_a_backup_goes_on_while_somebody_writes(db: Database, tmp_path: Path) -> None:
    put(db, "a")
    with db.write() as cx:
        cx.execute("INSERT INTO schedule (last_at, name, note) VALUES (0, 'uncommitted', '')")
        made = back_up(db, tmp_path / "one.db")
    assert made.counts["schedule"] == 1


@pytest.mark.parametrize("damage", [b"", b"garbage" * 1000])
def test_a_damaged_backup_is_not_taken(db: Database, tmp_path: Path, damage: bytes) -> None:
    made = back_up(db, tmp_path / "one.db")
    data = made.path.read_bytes()
    made.path.write_bytes(data[:5000] + damage)
    with pytest.raises(PodupError) as caught:
        verify(made.path)
    assert caught.value.code == "backup-not-verified"
    with pytest.raises(NotFound):
        verify(tmp_path / "none.db")


def test_a_restore_keeps_what_was_there_and_replays_no_stale_wal(db: Database, tmp_path: Path) -> None:
    put(db, "old")
    made = back_up(db, tmp_path / "one.db")
    put(db, "new")
    path, wal = db.path, db.path.with_name(db.path.name + "-wal")
    stale = wal.read_bytes()
    assert stale
    db.close()
    wal.write_bytes(stale)
    with FileLock(tmp_path / "other.lock") as lock:
        restore(made.path, path, lock=lock)
        assert not wal.exists()
        assert keys(path, lock) == ["old"]
        assert keys(path.with_name(path.name + ".before-restore"), lock) == ["new", "old"]
        assert not finish_restore(path)


def test_a_restore_that_was_decided_is_finished_once(db: Database, tmp_path: Path) -> None:
    put(db, "old")
    made = back_up(db, tmp_path / "one.db")
    db.close()
    staged = db.path.with_name(db.path.name + ".restore")
    staged.write_bytes(made.path.read_bytes())
    assert finish_restore(db.path)
    assert not finish_restore(db.path)


def test_a_restore_wants_the_lock(db: Database, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        restore(tmp_path / "x", db.path, lock=FileLock(tmp_path / "free"))


def test_only_the_newest_backups_of_a_kind_are_kept(tmp_path: Path) -> None:
    for name in ("daily-1.db", "daily-2.db", "daily-3.db", "before-0001-1.db", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in prune_backups(tmp_path, prefix="daily-", keep=2)] == ["daily-1.db"]
    assert [path.name for path in list_backups(tmp_path)] == ["daily-3.db", "daily-2.db", "before-0001-1.db"]
    assert list_backups(tmp_path / "none") == []
