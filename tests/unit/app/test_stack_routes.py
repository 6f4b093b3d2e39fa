"""The routes and commands of stacks over the whole program: what they show, submit and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_operator_commands import Shell
from whole import Answer, Whole

from podup.engine.stack_backups import Dumps, make_backup
from podup.errors import Invalid, NotFound
from podup.host.postgres import Postgres
from podup.store import stack_history
from podup.store.stack_history import StackEntry

CONFIG = """
[stacks.odoo18-staging]
env = "staging"
tag_variable = "ODOO_TAG"

[stacks.odoo18-prod]
tag_variable = "ODOO_TAG"
"""
LOG = """\
2026-01-30 10:00:00 | odoo18-prod | prod | deploy | sha-1 | success |
a line somebody broke
2026-01-30 10:05:00 | odoo18-prod | prod | deploy | sha-2 | fail | smoke failed
2026-01-30 10:05:09 | odoo18-prod | prod | rollback | sha-1 | success | smoke failed
"""


@pytest.fixture
def whole(tmp_path: Path, whole_with: Callable[..., Whole]) -> Whole:
    """Two stacks, of which production has a directory and a history."""
    (tmp_path / "config.toml").write_text(CONFIG)
    run_dir = tmp_path / "stacks/odoo18-prod"
    run_dir.mkdir(parents=True)
    (run_dir / "docker-compose.yml").write_text("services:\n  web: {image: 'ghcr.io/a/odoo:${ODOO_TAG}'}\n")
    (run_dir / ".env").write_bytes(b"ODOO_TAG='sha-1' # here\r\n")
    (tmp_path / "history.log").write_text(LOG)
    return whole_with(
        PODUP_CONFIG=str(tmp_path / "config.toml"),
        PODUP_STACKS_DIR=str(tmp_path / "stacks"),
        PODUP_BACKUPS_DIR=str(tmp_path / "backups"),
        PODUP_RELEASES_DIR=str(tmp_path / "releases"),
        PODUP_DEPLOY_HISTORY=str(tmp_path / "history.log"),
    )


@pytest.fixture
def shell(whole: Whole) -> Shell:
    return Shell(whole)


def code(answer: Answer) -> str:
    return str(answer.json["error"]["code"])


def post(whole: Whole, verb: str, body: dict[str, Any], stack: str = "odoo18-prod") -> Answer:
    return whole.ask("POST", f"/api/stacks/{stack}/{verb}", body)


def backed_up(whole: Whole, tmp_path: Path) -> str:
    unused: Any = None
    path = tmp_path / "backups/odoo18-prod/20260130-100000"
    make_backup(whole.built.stacks.find("odoo18-prod"), path, 1.0, Dumps(Postgres(unused)))
    return path.name


def test_the_map_tells_what_runs_where_and_how_it_went(whole: Whole) -> None:
    listed = whole.ask("GET", "/api/stacks").json
    rows = {row["name"]: row for row in listed["stacks"]}
    prod, staging = rows["odoo18-prod"], rows["odoo18-staging"]
    assert listed["total"] == 2 and (prod["env"], prod["family"], prod["needs_proof"]) == (
        "prod", "odoo18", True,
    )  # fmt: skip
    assert (prod["version"], prod["good_versions"], prod["broken_history_lines"]) == ("sha-1", ["sha-1"], 1)
    assert prod["last"]["action"] == "rollback" and prod["run_dir"].endswith("/stacks/odoo18-prod")
    assert (staging["version"], staging["last"], staging["backups"]) == (None, None, 0)


def test_a_deployment_is_submitted_with_what_was_asked_for(whole: Whole) -> None:
    body = {"version": "sha-3", "env": "prod", "force": True, "caller": "ci", "reason": "release"}
    answer = post(whole, "deploy", body)
    assert answer.status == 202 and answer.json["version"] == "sha-3"
    task = whole.ask("GET", f"/api/tasks/{answer.json['task_id']}").json
    task = task.get("task", task)
    assert (task["kind"], task["status"], task["trigger"]["caller"]) == ("stack_deploy", "pending", "ci")
    for verb, extra in (("rollback", {"version": "sha-1"}), ("backup", {}), ("promote", {}), ("sync", {})):
        made = post(whole, verb, {**extra, "dry_run": True})
        assert (made.status, made.json["dry_run"]) == (202, True), verb


@pytest.mark.parametrize(
    ("verb", "body", "status", "wanted"),
    [
        ("deploy", {}, 400, "version"),
        ("deploy", {"version": "a b"}, 400, "version"),
        ("deploy", {"version": "../x"}, 400, "version"),
        ("deploy", {"version": "sha-1", "env": "staging"}, 400, "env-mismatch"),
        ("deploy", {"version": "sha-1", "skip_smoke": True}, 400, "reason-missing"),
        ("rollback", {"version": "x\ny"}, 400, "version"),
        ("restore", {"backup": "20200101-000000"}, 404, "backup-not-found"),
        ("restore", {"backup": "../../etc"}, 404, "backup-not-found"),
    ],
)
def test_what_is_wrong_is_refused_with_a_hint(
    whole: Whole, verb: str, body: dict[str, Any], status: int, wanted: str
) -> None:
    answer = post(whole, verb, body)
    assert answer.status == status and wanted in code(answer), answer.json
    assert answer.json["error"]["hint"], answer.json
    assert whole.ask("GET", "/api/tasks").json["total"] == 0


@pytest.mark.parametrize(("stack", "status"), [("nope", 404), ("..%2f..%2fetc", 400), ("UPPER case", 400)])
def test_a_stack_that_is_none_is_refused(whole: Whole, stack: str, status: int) -> None:
    answer = post(whole, "deploy", {"version": "sha-1"}, stack=stack)
    assert answer.status in (status, 404), answer.json


def test_a_backup_is_listed_and_put_back_by_its_name(whole: Whole, shell: Shell, tmp_path: Path) -> None:
    assert json.loads(shell("stack backup odoo18-prod --list --json")) == {"backups": []}
    name = backed_up(whole, tmp_path)
    assert name in shell("stack backup odoo18-prod --list")
    assert post(whole, "restore", {"backup": name, "dry_run": True}).status == 202


def test_without_a_compose_engine_the_checks_say_so_and_show_still_answers(whole: Whole) -> None:
    checks = post(whole, "preflight", {"version": "sha-1"}).json
    assert checks["ok"] is False
    engine = next(check for check in checks["checks"] if check["name"] == "engine")
    assert engine["mark"] == "block" and "docker compose" in engine["hint"]
    shown = whole.ask("GET", "/api/stacks/odoo18-prod").json
    assert shown["engine"] is None and "no compose engine" in shown["problem"]


def test_the_history_is_paged_and_filtered(whole: Whole, shell: Shell) -> None:
    with whole.database.write() as cx:
        for number in range(3):
            row = StackEntry(
                float(number), stack="odoo18-prod", action="deploy", status="success", env="prod",
                version=f"sha-{number}", notes="", task_id="",
            )  # fmt: skip
            stack_history.insert(cx, row)
    page = whole.ask("GET", "/api/deploy-history?stack=odoo18-prod&per_page=2").json
    assert [row["version"] for row in page["history"]] == ["sha-2", "sha-1"] and page["has_next"]
    assert whole.ask("GET", "/api/deploy-history?stack=odoo18-staging").json["total"] == 0
    assert "sha-2" in shell("stack history odoo18-prod --count 1")


def test_the_commands_print_the_map_and_where_one_can_go_back_to(shell: Shell) -> None:
    listed = shell("stack list")
    assert "odoo18-prod" in listed and "rollback sha-1 success" in listed
    shown = shell("stack rollback odoo18-prod --list")
    assert "sha-1" in shown and "runs now" in shown and "sha-2" not in shown
    assert json.loads(shell("stack rollback odoo18-prod --list --json"))["current"] == "sha-1"
    shown = shell("stack show odoo18-prod")
    assert "good        sha-1" in shown and "1 line could not be read" in shown
    assert "sha-${{ github.sha }}" in shell("stack workflow --image ghcr.io/acme/odoo")


def test_a_task_s_id_is_all_that_no_wait_prints(whole: Whole, shell: Shell) -> None:
    printed = shell("stack deploy odoo18-prod prod sha-3 --no-wait --reason release")
    assert printed.startswith("tsk_") and printed.count("\n") == 1
    as_json = json.loads(shell("stack backup odoo18-prod --no-wait --json"))
    assert as_json["stack"] == "odoo18-prod" and whole.ask("GET", "/api/tasks").json["total"] == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("stack deploy odoo18-prod prod sha-1 too-many", Invalid),
        ("stack deploy odoo18-prod staging sha-1", Invalid),
        ("stack rollback odoo18-prod sha-1 --last-good", Invalid),
        ("stack show ../etc", Invalid),
        ("stack history ..", Invalid),
        ("stack show nope", NotFound),
    ],
)
def test_the_commands_refuse_what_makes_no_sense(shell: Shell, words: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        shell(words)
