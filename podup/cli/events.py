"""`events`: what was asked of the program."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.moments import when
from podup.errors import EXIT_DONE

_OPTIONS = {
    "task": "task_id",
    "request": "request_id",
    "path": "path",
    "action": "action",
    "status": "status",
    "count": "per_page",
}


def run(args: Mapping[str, Any], context: Context) -> int:
    """List events, newest first."""
    query = {name: str(args[option]) for option, name in _OPTIONS.items() if args[option]}
    answer = context.app().api.call("GET", "/api/events", query=query)
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    rows = [
        (
            when(event["ts"]),
            event["meta"].get("source", "-"),
            f"{event['method']} {event['path']}".strip() or event["action"],
            event["status"] or "-",
            event["meta"].get("caller") or event["meta"].get("by") or "-",
            event["task_id"] or "-",
        )
        for event in answer["events"]
    ]
    roles = ["bad" if event["status"] >= 400 else "" for event in answer["events"]]
    context.out.table(("when", "source", "request", "status", "by", "task"), rows, roles=roles, is_cut=True)
    if answer["has_next"]:
        context.out.note(f"{answer['total']} in all; --count shows more", "muted")
    return EXIT_DONE
