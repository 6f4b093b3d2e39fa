"""The operator's commands over the program's own routes: what they print, and as JSON."""

import io
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from whole import CONTROL, Whole

from podup.cli.context import Context
from podup.cli.main import run
from podup.cli.output import Output
from podup.errors import PodupError
from podup.net.control import read_answer
from podup.store import digests, events
from podup.store.digests import Quarantine


class WholeApi:
    """`podup.cli.calls.Api` over the program in this process."""

    has_daemon = False

    def __init__(self, whole: Whole) -> None:
        self._whole = whole

    def call(self, method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
        target = f"{path}?{urlencode(query)}" if query else path
        answer = self._whole.ask(method, target, body, headers={}, peer=CONTROL)
        self._whole.engine.log.flush()
        return read_answer(answer.status, answer.body)


class Shell:
    def __init__(self, whole: Whole) -> None:
        self._app = SimpleNamespace(api=WholeApi(whole))

    def __call__(self, words: str) -> str:
        """Return what a command prints; it has to end well."""
        out = io.StringIO()
        output = Output(out, io.StringIO(), environment={}, columns=lambda: 200)
        context = Context("podup", output, lambda: None, lambda: self._app)  # type: ignore[arg-type,return-value]
        assert run("podup", words.split(), context) == 0, out.getvalue()
        return out.getvalue()


@pytest.fixture
def shell(whole: Whole) -> Shell:
    return Shell(whole)


def test_explain_shows_every_rule_and_which_one_stopped_a_delivery(whole: Whole, shell: Shell) -> None:
    whole.deliver("web", {"image": "ghcr.io/acme/web:nightly"})
    delivery = whole.ask("GET", "/api/deliveries").json["deliveries"][0]["id"]
    lines = shell(f"explain {delivery}").splitlines()
    assert lines[0] == f"delivery {delivery} for web.service: generic ghcr.io/acme/web nightly"
    assert lines[1:3] == ["  ✓ signature: the signature matches", "  ✓ event: an image was pushed"]
    assert lines[3].startswith("  ✗ image:")
    assert lines[-1].startswith("  ignored:")


def test_explain_tells_where_a_task_came_from(whole: Whole, shell: Shell) -> None:
    task_id = whole.deliver("web", {"image": "ghcr.io/acme/web:latest"}).json["task_id"]
    printed = shell(f"explain {task_id}")
    assert f"task {task_id}: deploy web.service, asked for by webhook github" in printed
    assert "github-package-update 202" in printed
    with pytest.raises(PodupError, match="nothing is known"):
        shell("explain tsk_unknown")


def test_explain_leaves_the_terminal_alone(whole: Whole, shell: Shell) -> None:
    whole.deliver("web", {"image": "ghcr.io/acme/web", "tag": "a\x1b]0;owned\x07"})
    asked = {"dry_run": True, "reason": "\x1b[2Jgone"}
    task_id = whole.ask("POST", "/api/manual/services/web", asked).json["task_id"]
    delivery = whole.ask("GET", "/api/deliveries").json["deliveries"]
    for about in (task_id, *(one["id"] for one in delivery)):
        assert not any(letter in shell(f"explain {about}") for letter in "\x1b\x07")


def test_events_are_filtered(whole: Whole, shell: Shell) -> None:
    shell("freeze web --caller me --reason sale")
    shell("unfreeze web")
    printed = shell("events --action freeze")
    assert "cli" in printed and "POST /api/freeze" in printed and "me" in printed
    assert "unfreeze" not in printed
    assert json.loads(shell("events --json --count 1"))["page_size"] == 1


def test_tasks_are_found_by_the_short_name_of_their_unit(whole: Whole, shell: Shell) -> None:
    task_id = whole.deliver("web", {"image": "ghcr.io/acme/web:latest"}).json["task_id"]
    assert task_id in shell("tasks list --unit web") and task_id in shell("tasks list --unit web.service")
    assert task_id not in shell("tasks list --unit worker")


def test_freezes_are_listed(shell: Shell) -> None:
    assert shell("freeze") == "frozen: everything; `unfreeze` lets it go on\n"
    assert "(everything)" in shell("freeze --list")
    assert shell("unfreeze") == "no longer frozen: everything\n"
    assert shell("freeze web") == "frozen: web.service; `unfreeze web` lets it go on\n"
    assert shell("unfreeze web") == "no longer frozen: web.service\n"
    assert json.loads(shell("freeze --list --json"))["freezes"] == []


def test_the_quarantine_is_listed_and_released(whole: Whole, shell: Shell) -> None:
    digest = "sha256:" + "a" * 64
    with whole.database.write() as cx:
        digests.quarantine(cx, Quarantine("web.service", digest, "it crashed", 1.0))
    assert f"  {digest[:19]}  " in shell("quarantine list")
    assert "it crashed" in shell("quarantine list")
    assert shell(f"quarantine release {digest[:15]}") == (
        f"released: {digest} may be deployed on web.service again\n"
    )
    assert "it crashed" not in shell("quarantine list")
    assert "released by command line" in shell("quarantine list --released")


@pytest.mark.parametrize("words", ["web", "web.service", "--unit web", "sha256:", "a"])
def test_what_is_released_may_be_named_by_its_unit_or_its_digest(
    whole: Whole, shell: Shell, words: str
) -> None:
    digest = "sha256:" + "a" * 64
    with whole.database.write() as cx:
        digests.quarantine(cx, Quarantine("web.service", digest, "it crashed", 1.0))
    assert digest in shell(f"quarantine release {words}")


def test_a_token_is_made_listed_and_revoked(shell: Shell) -> None:
    token = shell("token create ci --scope manual --days 30").strip()
    assert token.startswith("podup_") and len(token) > 40
    listed = shell("token list")
    assert "manual" in listed and "holds" in listed and token not in listed
    assert shell("token revoke ci") == "revoked: ci\n"
    assert "revoked" in shell("token list")


def test_the_database_is_copied_and_checked(shell: Shell) -> None:
    assert ", verified, sha256 " in shell("db backup")
    printed = shell("db check")
    assert printed.startswith("the database is whole: schema 1") and "backup: " in printed


def test_prune_says_what_it_does(whole: Whole, shell: Shell) -> None:
    assert shell("prune-state --dry-run") == "nothing is old enough\n"
    (whole.engine.state_dir / "ratelimit.db").write_text("")
    assert shell("--prune-state --dry-run") == "would remove ratelimit.db, of an older version\n"
    assert shell("prune-state --max-age-hours 1") == "removed ratelimit.db, of an older version\n"


def test_prune_asks_again_until_a_large_backlog_is_gone(whole: Whole, shell: Shell) -> None:
    with whole.database.write() as cx:
        cx.executemany("INSERT INTO event_log (ts) VALUES (?)", [(float(at),) for at in range(40_000)])
    assert not whole.ask("POST", "/api/prune-state", {}).json["is_all"]
    with whole.database.read() as cx:
        left = events.count_older(cx, 39_999.0)
    assert 0 < left < 40_000
    assert shell("prune-state") == f"removed {left} events\n"


def test_restarting_all_of_nothing_says_so(whole: Whole) -> None:
    with whole.database.write() as cx:
        cx.execute("DELETE FROM services")
    said, app = io.StringIO(), SimpleNamespace(api=WholeApi(whole))
    out = Output(io.StringIO(), said, environment={}, columns=lambda: 200)
    context = Context("podup", out, lambda: None, lambda: app)  # type: ignore[arg-type,return-value]
    assert run("podup", ["trigger-all"], context) == 0
    assert said.getvalue() == "no services are known; `services --refresh` looks for them\n"
