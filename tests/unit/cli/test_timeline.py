"""A task on a terminal: what is shown, and that nothing is said twice."""

import io
from typing import Any

from podup.cli.output import Output
from podup.cli.timeline import show_end, show_lines

WHY = "sha256:1f8b is quarantined"
HINT = "release it: quarantine release sha256:1f8b"


def line(action: str, summary: str, *, level: str = "info", **meta: Any) -> dict[str, Any]:
    return {"ts": 5.0, "action": action, "summary": summary, "level": level, "status": "", "meta": meta}


TASK = {
    "task_id": "tsk_a",
    "status": "skipped",
    "unit": "web.service",
    "summary": WHY,
    "created_at": 5.0,
    "started_at": 5.0,
    "finished_at": 5.5,
    "logs": [
        line("begin", "started"),
        line("command", "podman ps (8 ms, exit 0)", type="command", stdout="CONTAINER"),
        line("plan", WHY, hint=HINT),
        line("outcome", WHY, hint=HINT),
    ],
}


def shown(*, verbose: bool) -> list[str]:
    stream = io.StringIO()
    out = Output(stream, stream, environment={}, columns=lambda: 200)
    show_lines(out, TASK["logs"], verbose=verbose)
    show_end(out, TASK)
    return stream.getvalue().splitlines()


def test_the_reason_and_the_hint_stand_at_the_end() -> None:
    assert shown(verbose=False) == [
        "     0.0 s   begin: started",
        f"     0.0 s   plan: {WHY}",
        f"skipped: web.service {WHY} (0.5 s, task tsk_a)",
        f"hint: {HINT}",
    ]


def test_verbose_hides_no_line() -> None:
    said = shown(verbose=True)
    assert sum(WHY in text for text in said) == 3
    assert any("CONTAINER" in text for text in said)


def test_a_digest_is_short_unless_all_is_wanted() -> None:
    digest = "sha256:" + "5f2c" * 16
    for verbose, says in ((False, digest[:19]), (True, digest)):
        stream = io.StringIO()
        out = Output(stream, stream, environment={}, columns=lambda: 200)
        show_lines(out, [line("note", f"Copying blob {digest}")], verbose=verbose)
        assert stream.getvalue().endswith(f"note: Copying blob {says}\n")
