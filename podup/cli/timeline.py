"""A task's log lines on a terminal: when, what, how it went.

0.0 s  started
0.2 s  deploy: pull ghcr.io/acme/web:latest at sha256:5f2c...
1.9 s  ✗ judge: web.service failed: exit-code
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from podup.cli.calls import Api
from podup.cli.output import Output, printable
from podup.core.states import Status, exit_code
from podup.patterns import regex

_MARKS = {"info": " ", "warn": "!", "error": "✗"}
_ROLES = {"warn": "warn", "error": "bad"}
_OUTCOME_ROLES = {"succeeded": "ok", "planned": "ok", "skipped": "muted", "rolled_back": "warn"}
_SHOWN_LINES = 12
_LONG_DIGEST = regex(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
_INDENT = 14  # where the words of a line begin
_PLAN, _OUTCOME = "plan", "outcome"  # what both say stands at the end, too
_SHOWN = {"command": ("stdout", "stderr"), "diagnosis": ("status", "journal", "container_log")}


def follow(api: Api, out: Output, task_id: str, *, verbose: bool = False) -> int:
    """Show the task's lines as they come, then how it ended; return the exit code for that."""
    started: float | None = None
    for line in api.follow(task_id):
        started = line["ts"] if started is None else started
        show_line(out, line, started, verbose=verbose)
    task = api.call("GET", f"/api/tasks/{task_id}")
    show_end(out, task)
    return _exit_code(task)


def report(api: Api, out: Output, task_id: str, *, as_json: bool, verbose: bool = False) -> int:
    """Wait for the end of a task, showing its lines or, as JSON, all of it at the end."""
    if not as_json:
        return follow(api, out, task_id, verbose=verbose)
    task = _await_end(api, task_id)
    out.json(task)
    return _exit_code(task)


def leave(api: Api, out: Output) -> None:
    """Say so when tasks that were not waited for have nobody to do them yet."""
    if not api.has_daemon:
        out.note("no daemon runs: this waits for one; `tasks follow` does it now", "warn")


def report_all(
    api: Api,
    out: Output,
    task_ids: Sequence[str],
    *,
    as_json: bool,
    verbose: bool = False,
    beside: Mapping[str, Any] | None = None,
) -> list[int]:
    """`report` for several tasks, with one JSON value for all and what stands `beside` them."""
    if not as_json:
        return [follow(api, out, task_id, verbose=verbose) for task_id in task_ids]
    ended = [_await_end(api, task_id) for task_id in task_ids]
    out.json({"tasks": ended, **(beside or {})})
    return [_exit_code(task) for task in ended]


def show_lines(out: Output, lines: Iterable[Mapping[str, Any]], *, verbose: bool) -> None:
    """Show log lines with the seconds since the first."""
    started: float | None = None
    for line in lines:
        started = line["ts"] if started is None else started
        show_line(out, line, started, verbose=verbose)


def show_line(out: Output, line: Mapping[str, Any], started_s: float, *, verbose: bool) -> None:
    """Show one line; a command's output and whole digests only when it failed or everything is wanted.

    The outcome is left to `show_end`, which says the same.
    """
    meta = line["meta"]
    is_command = meta.get("type") == "command"
    is_end_of_step = line["status"] == "succeeded" and meta.get("type") == "step"
    if not verbose and line["level"] == "info" and (is_command or is_end_of_step):
        return
    if line["action"] == _OUTCOME and not verbose:
        return
    mark = _MARKS.get(line["level"], " ")
    summary = line["summary"] if verbose else _LONG_DIGEST.sub(r"\1", line["summary"])
    says = f"{line['ts'] - started_s:8.1f} s {mark} {line['action']}: {summary}"
    out.line(out.styled(out.folded(says, indent=_INDENT), _ROLES.get(line["level"], "")))
    for text in _output(meta, None if verbose else _SHOWN_LINES):
        out.line(out.styled(f"{'':13}| {printable(text)}", "muted"))
    if meta.get("hint") and line["action"] not in (_PLAN, _OUTCOME):
        out.line(out.styled(out.folded(f"{'':13}hint: {meta['hint']}", indent=_INDENT), "accent"))


def show_end(out: Output, task: Mapping[str, Any]) -> None:
    """Say in one line how the task ended, and in a second what can be done about it."""
    took = (task["finished_at"] or 0) - (task["started_at"] or task["created_at"])
    unit = f" {task['unit']}" if task.get("unit") and not task["summary"].startswith(task["unit"]) else ""
    says = (
        f"{task['status'].replace('_', ' ')}:{unit} {task['summary']} ({took:.1f} s, task {task['task_id']})"
    )
    out.line(out.styled(out.folded(says), _OUTCOME_ROLES.get(task["status"], "bad")))
    hints = [line["meta"].get("hint") for line in task["logs"] if line["action"] == _OUTCOME]
    if any(hints):
        out.line(out.styled(out.folded(f"hint: {hints[-1]}"), "accent"))


def asker(trigger: Mapping[str, Any]) -> str:
    """Return who asked for a task, and why: `webhook github`, `scheduler: auto-update`."""
    by = " ".join(dict.fromkeys(filter(None, (trigger["source"], trigger["caller"]))))
    return f"{by}: {trigger['reason']}" if trigger["reason"] else by


def _await_end(api: Api, task_id: str) -> dict[str, Any]:
    for _ in api.follow(task_id):
        continue
    task: dict[str, Any] = api.call("GET", f"/api/tasks/{task_id}")
    return task


def _exit_code(task: Mapping[str, Any]) -> int:
    return exit_code(Status(task["status"]), task.get("code", ""))


def _output(meta: Mapping[str, Any], most: int | None) -> list[str]:
    """Return the lines a command printed, or the logs of a diagnosis; of each the newest."""
    parts = _SHOWN.get(meta.get("type", ""), ())
    return [line for part in parts for line in str(meta.get(part, "")).splitlines()[-(most or 0) :]]
