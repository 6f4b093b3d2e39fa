"""Work that syncs, each in a directory of its own, for the test that leaves out every sync in turn.

What a case returned from has to be on the disk: the directory is then as it is after the work. `holds` adds
what has to be true before that, for syncs that only keep two effects in their order.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from power_cut import State

from podup import files
from podup.clock import SystemClock
from podup.core.releases import ASSET, Release
from podup.core.stack_map import stacks_from
from podup.core.versions import parse_tag
from podup.engine import stack_backups
from podup.engine.stack_machine import StackMachine, StackRoots, StackTools
from podup.files import calls
from podup.net.releases import ReleaseClient, Source
from podup.settings.environment import Environment
from podup.store import backup, migrations
from podup.store.db import Reader
from podup.update import installation, journal, kept, remembered, reports, swap
from podup.update.journal import Backup, Build, Record
from podup.update.places import Places
from podup.update.states import End
from podup.update.states import State as Step
from podup.update.world import Shape

unused: Any = None
PROGRAM = b"a program"
OLD, NEW = Build("1.0.0", "old", 1), Build("1.1.0", "new", 2)


@dataclass(frozen=True)
class Case:
    """`prepare` fills the directory before the power can be cut; files in `ignored` promise nothing."""

    name: str
    work: Callable[[Path], None]
    prepare: Callable[[Path], None] = lambda root: None
    holds: Callable[[State], bool] = lambda state: True
    ignored: tuple[str, ...] = ()


def fill(**texts: str) -> Callable[[Path], None]:
    """Return what writes these files; `__` in a name stands for a directory."""

    def prepare(root: Path) -> None:
        for name, text in texts.items():
            path = root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return prepare


def places(root: Path) -> Places:
    return Places(root, root / "T", root / "data/x.db", root / "reports")


def record(root: Path) -> Record:
    return Record("tx", Step.COMMITTING, OLD, NEW, report="self-update-1-1.json")


def write_records(root: Path) -> None:
    with files.JournalWriter(root / "task.jsonl") as writer:
        writer.write({"number": 1})


def append_after_a_killed_writer(root: Path) -> None:
    os.close(calls.create(root / "history.log", 0o600))
    files.append_line(root / "history.log", "first")


def use_spool(root: Path) -> None:
    spool = files.Spool(root)
    spool.put("k", b"payload")
    spool.remove("k")


def switch(root: Path) -> None:
    swap.switch(places(root), "tx")


def is_old_kept(state: State) -> bool:
    return state["T"] == b"old" or (state["T"] == b"new" and state.get("T.old") == b"old")


def restore(root: Path) -> None:
    migrated: Any = SimpleNamespace(look=lambda path: Shape(2))
    sha256 = kept.digest(places(root).backups / "x.bak")
    taken = Record("tx", Step.ROLLING_BACK, OLD, NEW, backup=Backup("x.bak", sha256))
    assert swap.restore(places(root), migrated, taken)


def is_no_stale_wal_beside_the_backup(state: State) -> bool:
    return state["data/x.db"] != b"backup" or "data/x.db-wal" not in state


def foreign_database(root: Path) -> None:
    """A database of the other program that was killed: its rows are in the WAL."""
    scratch = root / "scratch.db"
    writer = sqlite3.connect(scratch)
    writer.execute("pragma journal_mode=wal")
    writer.execute("create table _sqlx_migrations(x)")
    writer.commit()
    for suffix in ("", "-wal", "-shm"):
        (root / f"x.db{suffix}").write_bytes((root / f"scratch.db{suffix}").read_bytes())
    writer.close()
    scratch.unlink()


def is_wal_not_left_behind(state: State) -> bool:
    return "x.db" in state or "x.db-wal" not in state


def back_up(root: Path) -> None:
    reader = Reader(root / "x.db")
    backup.back_up(reader, root / "b/good.db")
    reader.close()


def small_database(root: Path) -> None:
    cx = sqlite3.connect(root / "x.db")
    cx.execute("create table kept(x)")
    cx.commit()
    cx.close()


class Server:
    """A release server with one program."""

    def fetch(self, method: str, url: str, **options: Any) -> Any:
        line = f"{hashlib.sha256(PROGRAM).hexdigest()}  {ASSET}\n"
        return SimpleNamespace(status=200, body=line.encode(), headers=())

    def download(self, url: str, take: Callable[[bytes], None], **options: Any) -> Any:
        take(PROGRAM)
        return SimpleNamespace(status=200, headers=())


def fetch(root: Path) -> None:
    server: Any = Server()
    client = ReleaseClient(server, SystemClock(), Source("a/b", "stable", "http://x", "http://x"))
    client.fetch(Release("v1.1.0", parse_tag("v1.1.0")), root / "T.new.tx")


def stack(root: Path) -> Any:
    return stacks_from({"odoo": {"tag_variable": "TAG"}}, stacks_dir=str(root / "stacks"))[0]


def dump_stack(root: Path) -> None:
    class Postgres:
        def dump(self, reach: Any, database: Any, sink: files.NewFile) -> None:
            sink.write(b"rows")

        def verify(self, reach: Any, database: Any, path: Path) -> tuple[str, ...]:
            return ("kept",)

    server: Any = Postgres()
    database: Any = SimpleNamespace(name="odoo")
    dumps = stack_backups.Dumps(server, ((database, unused),))
    stack_backups.make_backup(stack(root), root / "backups/1", 1.0, dumps)


def take_proof_away(root: Path) -> None:
    roots = StackRoots(root / "backups", root / "releases", root / "history.log")
    machine = StackMachine(StackTools(unused, unused, unused, unused, unused, lambda: "", unused, roots, ()))
    machine.write_proof(stack(root), None)


def remove_installed(root: Path) -> None:
    installation.remove_installed(Environment({}, root, 1000))


def mark_imported(root: Path) -> None:
    ground: Any = SimpleNamespace(places=places(root), clock=SystemClock(), host="")
    reports.write(ground, record(root), End.SUCCEEDED)
    (report,) = reports.waiting(root / "reports")
    reports.mark_imported(report)


ODOO = "stacks__odoo__"
UNITS = ".config__systemd__user__pod-upgrade-trigger-http.service"
CASES = (
    Case("durable_write", lambda root: files.durable_write(root / "x", b"new"), fill(x="old")),
    Case("make_dirs", lambda root: files.make_dirs(root / "a/b")),
    Case("append_line", append_after_a_killed_writer),
    Case("journal", write_records),
    Case("journal-torn", write_records, fill(**{"task.jsonl": '{"number":0}\n{"num'})),
    Case("spool", use_spool),
    Case("remove_tree", lambda root: files.remove_tree(root / "a"), fill(a__b="x")),
    Case("remove_leftovers", lambda root: void(files.remove_leftovers(root)), fill(**{".x.1.1.tmp": "x"})),
    Case("journal-end", lambda root: journal.end(root / "J", record(root)), fill(J="{}")),
    Case("journal-aside", lambda root: void(journal.set_aside(root / "J.json")), fill(**{"J.json": "{"})),
    Case("hold", lambda root: void(remembered.clear_hold(places(root))), fill(**{"HOLD.json": "{}"})),
    Case(
        "kept",
        lambda root: void(kept.prune(places(root), keep_count=1, protected=())),
        fill(**{"releases__1.0.0.pyz": "1", "releases__1.1.0.pyz": "2"}),
    ),
    Case("imported", mark_imported),
    Case("switch", switch, fill(**{"T": "old", "T.new.tx": "new"}), is_old_kept),
    Case("clean", lambda root: swap.clean(places(root), keep_backups=1), fill(**{"T": "x", "T.new.tx": "y"})),
    Case(
        "restore",
        restore,
        fill(**{"data__x.db": "new", "data__x.db-wal": "new", "backups__auto_update__x.bak": "backup"}),
        is_no_stale_wal_beside_the_backup,
        ignored=("data/x.db-wal.aside.tx",),  # taken away, at the latest when the update ends
    ),
    Case(
        "foreign",
        lambda root: void(migrations.set_aside_foreign(root / "x.db")),
        foreign_database,
        is_wal_not_left_behind,
        ignored=("x.db.sqlx-shm",),  # SQLite's own scratch
    ),
    Case("back_up", back_up, small_database),
    Case("scratch", lambda root: backup.remove_scratch(root), fill(**{".x.db.backup-in-progress": "x"})),
    Case(
        "prune_backups",
        lambda root: void(backup.prune_backups(root, prefix="daily-", keep=1)),
        fill(**{"daily-1.db": "1", "daily-2.db": "2"}),
    ),
    Case("fetch", fetch),
    Case("stack-backup", dump_stack, fill(**{f"{ODOO}docker-compose.yml": "", f"{ODOO}.env": "TAG=1"})),
    Case("proof", take_proof_away, fill(**{"releases__verified__odoo.txt": "v1"})),
    Case("uninstall", remove_installed, fill(**{UNITS: "[Unit]"})),
)


def void(result: object) -> None:
    """Leave a result alone."""
