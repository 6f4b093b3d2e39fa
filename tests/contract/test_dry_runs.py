"""A dry run of any kind of task changes nothing but its own record; the same in earnest changes something."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker_on_paper import DockerOnPaper, registry_behind_login
from working import Working, WorkingHere

from podup.core.states import Status
from podup.engine.intake import Intent
from podup.engine.stack_catalogue import ChangeWish, RestoreWish
from podup.files import is_locked
from podup.recipes.table import RECIPES
from podup.records import replace
from podup.store import services

OWN_TABLES = ("tasks", "events")
LOGIN = "YWRhOjNzY3JldA=="  # ada:3cret
WEB = "web.service"
IMAGE = "ghcr.io/acme/web:latest"


class Site:
    """A machine with something to do for every kind of task, and all that can be seen of it."""

    def __init__(self, root: Path, registry: str) -> None:
        self.root = root
        self.paper = DockerOnPaper(root, registry)
        containers = root / ".config/containers"
        containers.mkdir(parents=True)
        place = f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n'
        (containers / "registries.conf").write_text(place)
        (containers / "auth.json").write_text(f'{{"auths": {{"{registry}": {{"auth": "{LOGIN}"}}}}}}')
        target = root / "installed/pod-upgrade-trigger"
        target.parent.mkdir()
        target.write_bytes(b"the program")
        self._settings = {"TARGET_BIN": str(target), "PODUP_VERIFY_SETTLE_SECS": "1", **self.paper.settings}
        self.program: Working

    def open(self, kind: str) -> Working:
        """Start the program over the machine that this kind of task is about."""
        made = WorkingHere if kind.startswith("stack_") else Working
        self.program = made(self.root, **self._settings)
        return self.program

    def seen(self) -> dict[str, Any]:
        """Everything but what a task may write about itself."""
        state = self.program.loaded.settings.state
        own = {state.database.name + end for end in ("", "-wal", "-shm")}
        files = {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.root.rglob("*")
            if path.is_file() and path.name not in own and not self._is_record(path)
        }
        del files["machine/asked"]  # that something was asked of it, see `changes`
        all_else = [path for path in self.root.rglob("*") if not self._is_record(path)]
        modes = {str(path): path.lstat().st_mode for path in all_else}
        return {"files": files, "modes": modes, "rows": self._rows(state.database)}

    @property
    def changes(self) -> list[str]:
        with self.program.machine.open() as machine:
            return [*machine.changes, *self.paper.changes]

    def _is_record(self, path: Path) -> bool:
        return path.parent == self.program.engine.state_dir / "tasks" and path.suffix == ".jsonl"

    def _rows(self, database: Path) -> dict[str, list[tuple[Any, ...]]]:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as cx:
            names = [row[0] for row in cx.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            kept = [name for name in names if name not in OWN_TABLES]
            return {name: cx.execute(f"SELECT * FROM {name}").fetchall() for name in kept}


def _service(site: Site, deed: str) -> Intent:
    site.program.machine.push(IMAGE, "v2")
    catalogue = site.program.engine.catalogue
    with site.program.database.read() as cx:
        web = services.get(cx, WEB)
    assert web is not None
    if deed == "deploy":
        return catalogue.deploy(web, dry_run=True)
    assert site.program.carry_out(catalogue.deploy(web)).status is Status.SUCCEEDED
    with site.program.database.read() as cx:
        return catalogue.rollback(cx, web, dry_run=True)


def _stack(site: Site, deed: str) -> Intent:
    stacks, wish = site.program.built.stacks, ChangeWish("v2", dry_run=True)
    odoo = stacks.find("odoo")
    if deed == "restore":
        made = site.program.carry_out(stacks.backup(odoo))
        assert made.status is Status.SUCCEEDED, made
        (backup,) = stacks.backups(odoo)
        site.paper.env_file.write_text("ODOO_TAG=v1\nDB_PASSWORD=another\n")
        return stacks.restore(odoo, RestoreWish(backup.path, databases=True, dry_run=True))
    if deed == "check":
        told = {"stack": "odoo", "version": "v1", "action": "deploy", "back_to": ""}
        return replace(stacks.look(told), dry_run=True)
    made_by: dict[str, Callable[[], Intent]] = {
        "deploy": lambda: stacks.deploy(odoo, wish),
        "rollback": lambda: stacks.rollback(odoo, wish),
        "backup": lambda: stacks.backup(odoo, dry_run=True),
        "promote": lambda: stacks.promote(odoo, reason="seen", dry_run=True),
        "sync": lambda: stacks.sync(odoo, dry_run=True),
    }
    return made_by[deed]()


CASES: dict[str, Callable[[Site], Intent]] = {
    "deploy": lambda site: _service(site, "deploy"),
    "rollback": lambda site: _service(site, "rollback"),
    "restart": lambda site: site.program.engine.catalogue.restart(WEB, dry_run=True),
    "auto-update": lambda site: site.program.engine.catalogue.auto_update(dry_run=True),
    "stack_deploy": lambda site: _stack(site, "deploy"),
    "stack_rollback": lambda site: _stack(site, "rollback"),
    "stack_backup": lambda site: _stack(site, "backup"),
    "stack_promote": lambda site: _stack(site, "promote"),
    "stack_restore": lambda site: _stack(site, "restore"),
    "stack_sync": lambda site: _stack(site, "sync"),
    "stack_check": lambda site: _stack(site, "check"),
}
ONLY_LOOKS = ("stack_check",)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with registry_behind_login(LOGIN) as registry:
        made = Site(tmp_path, registry)
        yield made
        made.program.close()


@pytest.mark.parametrize("kind", RECIPES)
def test_a_dry_run_changes_nothing_but_its_record(site: Site, kind: str) -> None:
    program = site.open(kind)
    intent = CASES[kind](site)
    before, changes = site.seen(), site.changes
    task = program.carry_out(intent)
    assert (task.kind, task.status, task.dry_run) == (kind, Status.PLANNED, True), task
    assert site.changes == changes
    assert site.seen() == before
    assert not is_locked(program.engine.state_dir / "tasks" / f"{task.id}.jsonl")


@pytest.mark.parametrize("kind", [kind for kind in RECIPES if kind not in ONLY_LOOKS])
def test_the_same_in_earnest_is_seen(site: Site, kind: str) -> None:
    """What the test above looks at is where this kind of task works."""
    program = site.open(kind)
    intent = CASES[kind](site)
    before, changes = site.seen(), site.changes
    params = replace(intent.params, dry_run=False) if kind == "auto-update" else intent.params
    task = program.carry_out(replace(intent, params=params, dry_run=False))
    assert task.status is Status.SUCCEEDED, task
    after = site.seen()
    assert (after["files"], after["rows"], site.changes) != (before["files"], before["rows"], changes)
    if kind not in ("stack_promote", "stack_sync"):
        assert site.changes != changes
