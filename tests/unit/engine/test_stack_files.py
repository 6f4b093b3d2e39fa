"""The files around a stack: backups, history, proofs, `.env` and sync, on a real directory."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stack_simulator import Clock

from podup.core.promotion import Proof
from podup.core.stack_map import Stack, stacks_from
from podup.engine import stack_backups, stack_sync
from podup.engine.stack_backups import Dumps
from podup.engine.stack_effects import stack_world
from podup.engine.stack_log import StackLog
from podup.engine.stack_machine import StackMachine, StackRoots, StackTools
from podup.errors import Invalid, NotFound, PodupError, Refused
from podup.host.postgres import Postgres
from podup.recipes.stack_actions import RestoreFiles

ENV = b"# mine\r\nTAG='v1' # here\r\nPASSWORD=x\r\n"
FACT = {"stack": "odoo", "env": "prod", "action": "deploy", "version": "v1", "status": "success", "notes": ""}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    made = stacks_from({"odoo": {"tag_variable": "TAG"}}, stacks_dir=str(tmp_path / "stacks"))[0]
    run_dir = Path(made.run_dir)
    run_dir.mkdir(parents=True)
    (run_dir / "docker-compose.yml").write_text("services:\n  web: {image: 'ghcr.io/a/b:${TAG}'}\n")
    (run_dir / ".env").write_bytes(ENV)
    (run_dir / ".env").chmod(0o640)
    return made


@pytest.fixture
def machine(stack: Stack, tmp_path: Path) -> StackMachine:
    unused: Any = None
    roots = StackRoots(tmp_path / "backups", tmp_path / "releases", tmp_path / "log/history.log")
    tools = StackTools(unused, unused, Clock(), unused, unused, lambda: "", unused, roots, (stack,))
    return StackMachine(tools)


def no_dumps() -> Dumps:
    unused: Any = None
    return Dumps(Postgres(unused))


def backup(stack: Stack, tmp_path: Path, name: str) -> Path:
    path = tmp_path / "backups/odoo" / name
    stack_backups.make_backup(stack, path, 1.0, no_dumps())
    return path


def test_a_backup_is_whole_and_for_its_owner_only(stack: Stack, tmp_path: Path) -> None:
    path = backup(stack, tmp_path, "20260130-100000")
    assert {found.name for found in path.iterdir()} == {
        ".env",
        "docker-compose.yml",
        "backup.json",
        "COMPLETE",
    }
    assert path.stat().st_mode & 0o777 == 0o700
    assert all(found.stat().st_mode & 0o777 == 0o600 for found in path.iterdir())
    found = stack_backups.read_backup(path)
    assert found is not None and found.version == "v1"
    assert found.env_sha256 == hashlib.sha256(ENV).hexdigest()
    assert stack_backups.check_backup(path)["env_mode"] == 0o640


def test_a_backup_that_fails_leaves_nothing(stack: Stack, tmp_path: Path) -> None:
    (Path(stack.run_dir) / ".env").unlink()
    with pytest.raises(PodupError):
        backup(stack, tmp_path, "20260130-100000")
    assert list((tmp_path / "backups/odoo").iterdir()) == []


def test_before_a_restore_what_is_there_is_backed_up_and_put_back_again(
    stack: Stack, machine: StackMachine, tmp_path: Path
) -> None:
    whole, env = backup(stack, tmp_path, "20260130-100000"), Path(stack.run_dir) / ".env"
    env.unlink()
    rest = tmp_path / "backups/odoo/20260130-110000"
    stack_backups.make_backup(stack, rest, 1.0, no_dumps(), whole=False)
    assert not (rest / ".env").exists() and stack_backups.read_backup(rest) is not None
    perform = stack_world(machine).performers[RestoreFiles]
    perform(RestoreFiles("odoo", str(rest)))
    assert not env.exists()
    perform(RestoreFiles("odoo", str(whole)))
    assert env.read_bytes() == ENV and env.stat().st_mode & 0o777 == 0o640


def test_what_a_killed_backup_left_is_swept_and_never_taken_for_one(stack: Stack, tmp_path: Path) -> None:
    left = tmp_path / "backups/odoo/20260130-090000.partial"
    left.mkdir(parents=True)
    (left / "odoo.dump").write_bytes(b"half")
    assert stack_backups.backups_of(left.parent) == ()
    backup(stack, tmp_path, "20260130-100000")
    assert not left.exists()


@pytest.mark.parametrize("name", ["backup.json", "COMPLETE"])
def test_a_backup_without_its_marks_is_none(stack: Stack, tmp_path: Path, name: str) -> None:
    path = backup(stack, tmp_path, "20260130-100000")
    (path / name).write_text("{}")
    assert stack_backups.read_backup(path) is None
    with pytest.raises(NotFound):
        stack_backups.check_backup(path)


def test_a_changed_file_in_a_backup_is_found_before_it_is_put_back(stack: Stack, tmp_path: Path) -> None:
    path = backup(stack, tmp_path, "20260130-100000")
    (path / "docker-compose.yml").write_text("services: {}\n")
    with pytest.raises(PodupError) as caught:
        stack_backups.check_backup(path)
    assert caught.value.code == "backup-broken"


def test_only_the_newest_complete_backups_stay(stack: Stack, tmp_path: Path) -> None:
    for number in range(5):
        backup(stack, tmp_path, f"20260130-10000{number}")
    other = tmp_path / "backups/odoo/by-hand"
    other.mkdir()
    stack_backups.prune_backups(other.parent, 2)
    assert sorted(path.name for path in other.parent.iterdir()) == [
        "20260130-100003",
        "20260130-100004",
        "by-hand",
    ]


def test_a_backup_without_dumps_never_pushes_out_one_with_data(stack: Stack, tmp_path: Path) -> None:
    for number in range(4):
        path = backup(stack, tmp_path, f"20260130-10000{number}")
        if number < 2:
            told = json.loads((path / "backup.json").read_text())
            (path / "backup.json").write_text(json.dumps({**told, "databases": {"odoo": {}}}))
            content = (path / "backup.json").read_bytes()
            (path / "COMPLETE").write_text(hashlib.sha256(content).hexdigest())
    stack_backups.prune_backups(tmp_path / "backups/odoo", 2)
    assert len(stack_backups.backups_of(tmp_path / "backups/odoo")) == 4
    stack_backups.prune_backups(tmp_path / "backups/odoo", 1)
    left = [one.path[-1] for one in stack_backups.backups_of(tmp_path / "backups/odoo")]
    assert left == ["3", "1"]


def test_the_history_tells_a_fact_once(tmp_path: Path) -> None:
    log = StackLog(tmp_path / "log/history.log", Clock())
    for _ in range(2):
        log.tell(FACT, at=1_800_000_000.0, task_id="tsk_a")
    log.tell(FACT, at=1_800_000_000.0, task_id="tsk_b")
    log.tell({**FACT, "status": "fail"}, at=1_800_000_000.0, reason="r" * 500, task_id="tsk_c")
    lines = (tmp_path / "log/history.log").read_text().splitlines()
    assert lines[0] == "2027-01-15 08:00:00 | odoo | prod | deploy | v1 | success | tsk_a"
    assert len(lines) == 3 and len(lines[2]) < 300 and lines[2].endswith(", tsk_c")
    records, broken = log.of_stack("odoo")
    assert (len(records), broken) == (3, 0)


def test_versions_of_backups_count_as_good_after_those_of_the_log(
    stack: Stack, machine: StackMachine, tmp_path: Path
) -> None:
    backup(stack, tmp_path, "20260130-100000")
    assert machine.history("odoo").good == ("v1",)
    StackLog(machine.tools.roots.history, Clock()).tell({**FACT, "version": "v2"}, at=0.0)
    assert machine.history("odoo").good == ("v2", "v1")
    StackLog(machine.tools.roots.history, Clock()).tell({**FACT, "status": "fail"}, at=0.0)
    assert machine.history("odoo").good == ("v2",)


def test_the_env_file_keeps_its_mode_and_a_link_its_target(
    stack: Stack, machine: StackMachine, tmp_path: Path
) -> None:
    env = Path(stack.run_dir) / ".env"
    real = tmp_path / "secrets.env"
    env.rename(real)
    env.symlink_to(real)
    machine.write_env(stack, b"TAG=v2\n")
    assert env.is_symlink() and real.read_bytes() == b"TAG=v2\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert machine.env_file(stack).version == "v2"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another owner")
def test_the_env_file_stays_its_owner_s_when_root_rewrites_it(stack: Stack, machine: StackMachine) -> None:
    env = Path(stack.run_dir) / ".env"
    os.chown(env, 12345, 23456)
    machine.write_env(stack, b"TAG=v2\n")
    found = env.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 23456, 0o640)


def test_a_proof_is_written_for_the_family_and_the_stack(stack: Stack, machine: StackMachine) -> None:
    verified = machine.tools.roots.releases / "verified"
    staging = replace(stack, name="odoo-staging", family="odoo")
    proof = Proof("odoo", "v1", "odoo-staging", 1.0, "tsk_a", (("ghcr.io/a/b", "sha256:1"),))
    machine.write_proof(staging, proof)
    assert machine.proof("odoo") == proof
    assert (verified / "odoo-staging.txt").read_text() == "v1\n"
    (verified / "odoo.txt").write_text("v2\n")
    with pytest.raises(Invalid):
        machine.proof("odoo")
    machine.write_proof(staging, None)
    assert machine.proof("odoo") is None and list(verified.iterdir()) == []


def test_sync_copies_new_and_changed_files_only(stack: Stack, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "conf").mkdir(parents=True)
    (source / "data").mkdir()
    (source / "docker-compose.yml").write_text("services: {}\n")
    (source / "conf/odoo.conf").write_text("[options]\n")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / ".env").write_text("STOLEN=1\n")
    (source / "data/x").write_text("x")
    (source / "link").symlink_to("/etc/passwd")
    synced = replace(stack, source_dir=str(source))
    plan = stack_sync.sync_plan(synced, ())
    assert plan.create == ("conf/odoo.conf", "run.sh") and plan.update == ("docker-compose.yml",)
    for path in plan.copies:
        stack_sync.copy_in(synced, path)
    assert stack_sync.sync_plan(synced, ()).copies == ()
    run_dir = Path(stack.run_dir)
    assert (run_dir / ".env").read_bytes() == ENV and not (run_dir / "data").exists()
    assert (run_dir / "run.sh").stat().st_mode & 0o777 == 0o755
    with pytest.raises(Refused):
        stack_sync.copy_in(synced, "../outside")
    with pytest.raises(Refused):
        stack_sync.sync_plan(stack, ())


def test_sync_leaves_alone_what_a_container_writes_to_and_copies_what_it_only_reads(
    stack: Stack, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "uploads").mkdir(parents=True)
    for name in ("traefik.yml", "odoo.conf", "uploads/a"):
        (source / name).write_text("new")
    synced = replace(stack, source_dir=str(source))
    mounts = ("./traefik.yml:/t.yml:ro", "./odoo.conf:/o.conf:z,ro", "./uploads:/u", "named:/n")
    plan = stack_sync.sync_plan(synced, mounts)
    assert plan.create == ("odoo.conf", "traefik.yml") and plan.left_alone == ("uploads/a",)


def test_a_manifest_is_readable_json(stack: Stack, tmp_path: Path) -> None:
    told = json.loads((backup(stack, tmp_path, "20260130-100000") / "backup.json").read_text())
    assert (told["schema"], told["stack"], told["env"]) == (1, "odoo", "prod")
