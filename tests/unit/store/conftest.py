"""A real, migrated database in a temporary directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podup.files import FileLock
from podup.store.db import Connection, Database
from podup.store.migrations import open_current


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with FileLock(tmp_path / "daemon.lock") as lock:
        path = tmp_path / "data" / "pod-upgrade-trigger.db"
        opened, _ = open_current(path, lock=lock, version="0.1.0", now=1000.0, backups=tmp_path / "backups")
        yield opened
        opened.close()


@pytest.fixture
def cx(db: Database) -> Iterator[Connection]:
    with db.write() as connection:
        yield connection
