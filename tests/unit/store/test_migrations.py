"""The schema: all migrations or none, recorded, guarded, and foreign databases left alone."""

from pathlib import Path

import pytest

from podup.errors import PodupError, Refused, Unavailable
from podup.files import FileLock
from podup.store import migrations
from podup.store.backup import verify
from podup.store.db import Database, connect
from podup.store.migrations import Migrated, Migration, load, migrate, pending, read_all

ONE = b"-- oldest-reader: 0.1.0\nCREATE TABLE a (x INTEGER PRIMARY KEY);\nINSERT INTO a VALUES (1);\n"
TWO = b"-- oldest-reader: 0.2.0\nCREATE TABLE b (x INTEGER REFERENCES a (x));\n"


@pytest.fixture
def empty(tmp_path: Path):
    with FileLock(tmp_path / "l") as lock:
        db = Database(tmp_path / "x.db", lock=lock)
        yield db
        db.close()


def steps(**scripts: bytes) -> tuple[Migration, ...]:
    return read_all({f"{name[1:]}.sql": text for name, text in scripts.items()})


def run(db: Database, known: tuple[Migration, ...], *, version: str = "0.2.0") -> Migrated:
    return migrate(db, known, version=version, now=7.0, backups=db.path.parent / "backups")


def tables(db: Database) -> list[str]:
    with db.read() as cx:
        return [row[0] for row in cx.execute("SELECT name FROM sqlite_schema WHERE type='table' ORDER BY 1")]


def test_the_program_carries_its_migrations(empty: Database) -> None:
    done = run(empty, load())
    assert done.applied[0] == "0001_base"
    assert {"tasks", "deliveries", "event_log", "schema_migrations"} <= set(tables(empty))
    assert run(empty, load()) == Migrated(done.after, done.after)


def test_a_new_database_is_not_backed_up_and_an_old_one_is(empty: Database) -> None:
    assert run(empty, steps(_0001_a=ONE)).backup is None
    done = run(empty, steps(_0001_a=ONE, _0002_b=TWO))
    assert (done.before, done.after, done.applied) == (1, 2, ("0002_b",))
    assert done.backup is not None
    copy = verify(done.backup)
    assert (copy.schema, copy.counts["a"]) == (1, 1)


def test_a_disk_that_fills_in_a_migration_is_no_fault_of_the_migration(empty: Database) -> None:
    run(empty, steps(_0001_a=ONE))
    with empty.alone() as cx:
        (pages,) = cx.execute("PRAGMA page_count").fetchone()
        cx.execute(f"PRAGMA max_page_count = {pages + 4}").fetchall()
    large = TWO + b"INSERT INTO b VALUES (1);\nCREATE TABLE c AS SELECT zeroblob(100000) AS much;\n"
    with pytest.raises(Unavailable, match="is full") as caught:
        run(empty, steps(_0001_a=ONE, _0002_b=large))
    assert caught.value.code == "db-write-failed"
    assert tables(empty) == ["a", "schema_migrations"]
    with empty.alone() as cx:
        cx.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert run(empty, steps(_0001_a=ONE, _0002_b=large)).after == 2


@pytest.mark.parametrize(
    "bad",
    [
        b"CREATE TABLE c (x); SYNTAX ERROR;",
        b"CREATE TABLE c (x); COMMIT;",
        b"CREATE TABLE c (x); COMMIT; BEGIN;",
        b"CREATE TABLE c (x); SELECT 1",
        b"CREATE TABLE c (x); INSERT INTO b VALUES (99);",
        b"CREATE TABLE c (x); DROP TABLE none;",
    ],
)
def test_a_failed_migration_leaves_the_database_as_it_was(empty: Database, bad: bytes) -> None:
    run(empty, steps(_0001_a=ONE))
    known = steps(_0001_a=ONE, _0002_b=TWO, _0003_c=b"-- oldest-reader: 0.1.0\n" + bad)
    with pytest.raises(PodupError) as caught:
        run(empty, known)
    assert caught.value.code == "migration-failed"
    assert tables(empty) == ["a", "schema_migrations"]
    with empty.write() as cx:
        assert cx.execute("PRAGMA foreign_keys").fetchone()[0] == 1


def test_changed_and_missing_migrations_are_refused(empty: Database) -> None:
    run(empty, steps(_0001_a=ONE, _0002_b=TWO))
    for code, known in (
        ("migration-changed", steps(_0001_a=ONE + b"-- more\n", _0002_b=TWO)),
        ("migration-missing", (*steps(_0001_a=ONE, _0002_b=TWO, _0003_c=TWO)[0:1],
                               *steps(_0001_a=ONE, _0002_b=TWO, _0003_c=TWO)[2:3])),
    ):  # fmt: skip
        with pytest.raises(Refused) as caught:
            run(empty, known)
        assert caught.value.code == code
        assert caught.value.hint


def test_a_migration_added_in_between_is_refused() -> None:
    known = steps(_0001_a=ONE, _0002_b=TWO)
    with pytest.raises(Refused) as caught:
        pending(known, {2: known[1]}, version="0.2.0")
    assert caught.value.code == "migration-missing"


def test_line_ends_do_not_change_a_migration() -> None:
    assert steps(_0001_a=ONE.replace(b"\n", b"\r\n")) == steps(_0001_a=ONE)


def test_older_code_starts_when_the_migration_allows_it_and_else_names_it(empty: Database) -> None:
    run(empty, steps(_0001_a=ONE, _0002_b=TWO))
    older = steps(_0001_a=ONE)
    assert run(empty, older, version="0.2.0-rc.1") == Migrated(2, 2)
    with pytest.raises(Refused) as caught:
        run(empty, older, version="0.1.9")
    assert caught.value.code == "db-too-new"
    assert "0002_b" in caught.value.message


@pytest.mark.parametrize(
    "scripts",
    [{"1_a.sql": ONE}, {"0001_a.sql": b"CREATE TABLE a (x);"}, {"0002_a.sql": ONE},
     {"0001_a.sql": ONE, "0001_b.sql": ONE}],
)  # fmt: skip
def test_broken_sets_of_migrations_are_told(scripts: dict[str, bytes]) -> None:
    with pytest.raises(PodupError) as caught:
        read_all(scripts)
    assert caught.value.code == "migrations-broken"


def test_a_database_of_another_program_is_set_aside_unaltered(tmp_path: Path) -> None:
    path = tmp_path / "data" / "x.db"
    for name in ("x.db.sqlx", "x.db.sqlx.2"):
        path.parent.mkdir(exist_ok=True)
        foreign = connect(path, read_only=False)
        foreign.execute("CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY)")
        foreign.close()
        before = path.read_bytes()
        with FileLock(tmp_path / "l") as lock:
            db, done = migrations.open_current(path, lock=lock, version="0.1.0", now=1.0, backups=tmp_path)
            db.close()
        assert done.set_aside == path.with_name(name)
        assert path.with_name(name).read_bytes() == before
        path.unlink()
