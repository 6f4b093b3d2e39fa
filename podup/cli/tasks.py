"""`tasks list|show|follow|stop|retry`."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.moments import when
from podup.cli.output import printable
from podup.cli.timeline import asker, report, show_end, show_lines
from podup.errors import EXIT_DONE

_ROLES = {
    "failed": "bad",
    "rolled_back": "warn",
    "unknown": "bad",
    "running": "accent",
    "interrupted": "warn",
}


def run_list(args: Mapping[str, Any], context: Context) -> int:
    """List tasks, newest first."""
    wanted = {
        "status": args["status"],
        "unit": args["unit"],
        "kind": args["kind"],
        "per_page": str(args["count"]),
    }
    query = {name: value for name, value in wanted.items() if value}
    answer = context.app().api.call("GET", "/api/tasks", query=query)
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    rows = [
        (
            task["task_id"],
            when(task["created_at"]),
            task["kind"],
            task["status"].replace("_", " "),
            task["unit"] or "-",
            task["summary"],
        )
        for task in answer["tasks"]
    ]
    roles = [_ROLES.get(task["status"], "") for task in answer["tasks"]]
    headings = ("task", "created", "kind", "status", "unit", "summary")
    context.out.table(headings, rows, roles=roles, is_cut=True)
    if answer["has_next"]:
        context.out.note(f"{answer['total']} in all; --count shows more", "muted")
    return EXIT_DONE


def run_show(args: Mapping[str, Any], context: Context) -> int:
    """Show one task with its timeline."""
    task = context.app().api.call("GET", f"/api/tasks/{args['task']}")
    if args["json"]:
        context.out.json(task)
        return EXIT_DONE
    by = asker(task["trigger"])
    context.out.line(printable(f"{task['task_id']}  {task['kind']}  {task['unit'] or ''}  by {by}"))
    for unit in task["units"]:
        digests = f"{unit['before_digest']} -> {unit['after_digest']}"
        context.out.line(printable(f"{unit['unit']}: {unit['image'] or ''} {digests}"))
    show_lines(context.out, task["logs"], verbose=args["verbose"])
    if task["finished_at"]:
        show_end(context.out, task)
    return EXIT_DONE


def run_follow(args: Mapping[str, Any], context: Context) -> int:
    """Show a task's lines as they come; exit with how it ended."""
    return report(context.app().api, context.out, args["task"], as_json=args["json"], verbose=args["verbose"])


def run_stop(args: Mapping[str, Any], context: Context) -> int:
    """Stop a task between steps, or with `--force` at once; either way it is taken back."""
    verb = "force-stop" if args["force"] else "stop"
    answer = context.app().api.call("POST", f"/api/tasks/{args['task']}/{verb}")
    if args["json"]:
        context.out.json(answer)
    else:
        context.out.line(answer["message"])
    return EXIT_DONE


def run_retry(args: Mapping[str, Any], context: Context) -> int:
    """Make a new task of one that ended, and follow it."""
    api = context.app().api
    body = {"caller": args["caller"], "reason": args["reason"]}
    answer = api.call("POST", f"/api/tasks/{args['task']}/retry", body=body)
    return report(api, context.out, answer["task_id"], as_json=args["json"])
