"""Several units in one command: each is seen to its end, and `--json` prints one value for all."""

import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from podup.cli.context import Context
from podup.cli.main import run
from podup.cli.output import Output
from podup.errors import NotFound

ENDS = {"web": "succeeded", "app": "rolled_back"}


class Daemon:
    """A daemon that knows two units, as commands see it; `followed` are the tasks somebody waited for."""

    def __init__(self, *, has_daemon: bool = True) -> None:
        self.followed: list[str] = []
        self.has_daemon = has_daemon

    def call(self, method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
        name = path.rpartition("/")[2]
        if path == "/api/manual/trigger":
            started = [{"unit": f"{unit}.service", "task_id": f"tsk_{unit}"} for unit in ENDS]
            return {"triggered": started, "skipped": [{"unit": "x.service", "reason": "it is gone"}]}
        if method == "POST" and name not in ENDS:
            raise NotFound("unit-not-found", f"{name}.service is not managed here", "see `services`")
        if method == "POST":
            return {"task_id": f"tsk_{name}"}
        status = ENDS[name.removeprefix("tsk_")]
        times = {"created_at": 1.0, "started_at": 1.0, "finished_at": 2.0}
        return {"task_id": name, "status": status, "summary": "it\x1b]0;ended", "logs": [], **times}

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        self.followed.append(task_id)
        yield from ()


def shell(words: str, daemon: Daemon, said: io.StringIO | None = None) -> tuple[int, str]:
    out = io.StringIO()
    output = Output(out, io.StringIO() if said is None else said, environment={}, columns=lambda: 200)
    app = SimpleNamespace(api=daemon)
    context = Context("podup", output, lambda: None, lambda: app)  # type: ignore[arg-type,return-value]
    return run("podup", words.split(), context), out.getvalue()


@pytest.mark.parametrize("words", ["deploy web app", "trigger-all", "trigger-units --units web,app"])
def test_json_is_one_value_whatever_the_number_of_tasks(words: str) -> None:
    code, printed = shell(f"{words} --json", Daemon())
    assert [task["task_id"] for task in json.loads(printed)["tasks"]] == ["tsk_web", "tsk_app"]
    assert code == 4


def test_json_is_one_value_also_without_waiting() -> None:
    assert json.loads(shell("deploy web app --no-wait --json", Daemon())[1]) == {
        "tasks": [{"task_id": "tsk_web"}, {"task_id": "tsk_app"}]
    }


def test_what_was_accepted_is_seen_to_its_end_though_another_unit_is_unknown() -> None:
    daemon = Daemon()
    with pytest.raises(NotFound):
        shell("deploy nope web", daemon)
    assert daemon.followed == ["tsk_web"]


def test_foreign_text_does_not_reach_the_terminal_as_it_is() -> None:
    assert "\x1b" not in shell("deploy web", Daemon())[1]


@pytest.mark.parametrize("words", ["deploy web", "deploy web app"])
def test_who_does_not_wait_is_told_when_nobody_does_the_work(words: str) -> None:
    for has_daemon in (True, False):
        shell(f"{words} --no-wait", Daemon(has_daemon=has_daemon), said := io.StringIO())
        assert ("no daemon runs: this waits for one" in said.getvalue()) is not has_daemon
