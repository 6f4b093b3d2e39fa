"""`stack ...`: look at compose stacks, and submit tasks on them and follow these to the end."""

import sys
from collections.abc import Mapping
from typing import Any

from podup.cli.calls import call_for_all
from podup.cli.context import Context
from podup.cli.moments import when
from podup.cli.timeline import leave, report
from podup.core.numbers import counted
from podup.core.stack_map import check_name
from podup.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, Invalid

_MARKS = {"pass": "ok", "warn": "warn", "block": "bad"}
_STATUS = {"success": "", "fail": "bad"}
_LOOK = "once the task has ended there is a last look; `stack history {stack}` tells if that fails"


def run_list(args: Mapping[str, Any], context: Context) -> int:
    """Print the stack map."""
    answer = call_for_all(context.app().api, "/api/stacks", "stacks")
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    if not answer["stacks"]:
        context.out.note("no stacks are configured; docs/stacks.md shows how")
        context.out.note("the service reads its configuration when it starts", "muted")
        return EXIT_DONE
    rows = [
        (
            row["name"],
            row["env"],
            row["version"] or "-",
            _last(row["last"]),
            str(row["backups"]),
            row["run_dir"],
            row["source_dir"] or row["run_dir"],
        )
        for row in answer["stacks"]
    ]
    context.out.table(("stack", "env", "version", "last", "backups", "runs in", "source"), rows)
    return EXIT_DONE


def run_show(args: Mapping[str, Any], context: Context) -> int:
    """Print one stack."""
    answer = _get(context, args["stack"])
    out = context.out
    if args["json"]:
        out.json(answer)
        return EXIT_DONE
    for name in ("name", "env", "family", "version", "engine", "run_dir", "source_dir", "problem"):
        if answer[name]:
            out.line(f"{name.replace('_', ' '):12}{answer[name]}")
    out.line(f"{'last':12}{_last(answer['last'])}")
    out.line(f"{'good':12}{', '.join(answer['good_versions']) or '-'}")
    if answer["proof"]:
        out.line(f"{'proof':12}{answer['proof'].get('problem') or answer['proof']['version']}")
    if answer["broken_history_lines"]:
        out.line(f"{'history':12}{counted(answer['broken_history_lines'], 'line')} could not be read")
    rows = [
        (item["service"], item["status"], item["health"] or "-", str(item["restarts"]), item["image"])
        for item in answer["containers"]
    ]
    out.table(("service", "status", "health", "restarts", "image"), rows)
    return EXIT_DONE


def run_preflight(args: Mapping[str, Any], context: Context) -> int:
    """Print the table of checks."""
    body = {"version": args["version"], "force": args["force"]}
    answer = _post(context, args["stack"], "preflight", body)
    if args["json"]:
        context.out.json(answer)
    else:
        rows = [(check["mark"], check["name"], check["says"], check["hint"]) for check in answer["checks"]]
        roles = [_MARKS[check["mark"]] for check in answer["checks"]]
        context.out.table(("", "check", "says", "hint"), rows, roles=roles)
    return EXIT_DONE if answer["ok"] else EXIT_REFUSED


def run_smoke(args: Mapping[str, Any], context: Context) -> int:
    """Print how the smoke checks went."""
    answer = _post(context, args["stack"], "smoke", {})
    out = context.out
    if args["json"]:
        out.json(answer)
    elif not answer["ready"]:
        out.line(out.styled("the containers are not well; `stack show` tells which", "bad"))
    else:
        for says in answer["passed"]:
            out.line(out.styled(f"pass  {says}", "ok"))
        for says in answer["failed"]:
            out.line(out.styled(f"fail  {says}", "bad"))
    return EXIT_DONE if answer["ok"] else EXIT_FAILED


def run_deploy(args: Mapping[str, Any], context: Context) -> int:
    """Deploy: `STACK VERSION`, or `STACK ENV VERSION` as the scripts take it."""
    words = args["words"]
    if len(words) > 2:
        raise Invalid("usage", "one version, with the environment before it if you like", "see --help")
    env = words[0] if len(words) == 2 else ""
    body = {"version": words[-1], "env": env, "force": args["force"], "skip_smoke": args["skip_smoke"]}
    return _submit(args, context, "deploy", body)


def run_rollback(args: Mapping[str, Any], context: Context) -> int:
    """Go back, or list where one could go back to."""
    if args["list"]:
        return _list_versions(args, context)
    if args["version"] and args["last_good"]:
        raise Invalid("usage", "either a version or --last-good", "see --help")
    body = {
        "version": args["version"],
        "force": args["force"],
        "skip_smoke": args["skip_smoke"],
        "dumps": not args["no_dumps"],
    }
    return _submit(args, context, "rollback", body)


def run_backup(args: Mapping[str, Any], context: Context) -> int:
    """Back up, or list the backups."""
    if not args["list"]:
        return _submit(args, context, "backup", {})
    backups = _get(context, args["stack"])["backup_list"]
    if args["json"]:
        context.out.json({"backups": backups})
        return EXIT_DONE
    rows = [(row["name"], row["version"] or "-", ", ".join(row["databases"]), row["path"]) for row in backups]
    context.out.table(("backup", "version", "databases", "directory"), rows)
    return EXIT_DONE


def run_restore(args: Mapping[str, Any], context: Context) -> int:
    """Put a backup back, once somebody has said yes."""
    databases = not args["files_only"]
    what = "files and databases" if databases else "files"
    first = "The current databases are NOT dumped first." if args["no_dumps"] else "All is backed up first."
    question = f"Put the {what} of {args['stack']} back to {args['backup']}? {first}"
    if not (args["yes"] or args["dry_run"] or context.out.ask(question, sys.stdin.readline)):
        return EXIT_REFUSED
    body = {"backup": args["backup"], "databases": databases, "dumps": not args["no_dumps"]}
    return _submit(args, context, "restore", body)


def run_promote(args: Mapping[str, Any], context: Context) -> int:
    """Record what runs as verified."""
    return _submit(args, context, "promote", {})


def run_sync(args: Mapping[str, Any], context: Context) -> int:
    """Copy the source directory."""
    return _submit(args, context, "sync", {})


def run_history(args: Mapping[str, Any], context: Context) -> int:
    """Print the newest facts of the history."""
    query = {"per_page": str(args["count"])}
    if args["stack"]:
        query["stack"] = check_name(args["stack"])
    answer = context.app().api.call("GET", "/api/deploy-history", query=query)
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    rows = answer["history"]
    shown = [
        (
            when(row["at"]),
            row["stack"],
            row["env"],
            row["action"],
            row["version"] or "-",
            row["status"],
            row["notes"],
        )
        for row in rows
    ]
    roles = [_STATUS.get(row["status"], "") for row in rows]
    headings = ("at", "stack", "env", "action", "version", "status", "notes")
    context.out.table(headings, shown, roles=roles, is_cut=True)
    return EXIT_DONE


def _list_versions(args: Mapping[str, Any], context: Context) -> int:
    answer = _get(context, args["stack"])
    versions = {"current": answer["version"], "good_versions": answer["good_versions"]}
    if args["json"]:
        context.out.json(versions)
        return EXIT_DONE
    current, good = answer["version"], answer["good_versions"]
    rows = [(version, "runs now" if version == current else "ran well") for version in good]
    if current and current not in good:
        rows.insert(0, (current, "runs now, not proven here"))
    context.out.table(("version", ""), rows)
    return EXIT_DONE


def _submit(args: Mapping[str, Any], context: Context, verb: str, body: dict[str, Any]) -> int:
    """Post the body with who asks and why, then follow the task, and exit as it ended."""
    shared = {name: args[name] for name in ("dry_run", "caller", "reason")}
    answer = _post(context, args["stack"], verb, {**body, **shared})
    api = context.app().api
    if args["no_wait"]:
        context.out.result(answer, answer["task_id"], as_json=args["json"])
        leave(api, context.out)
        return EXIT_DONE
    code = report(api, context.out, answer["task_id"], as_json=args["json"], verbose=args["verbose"])
    if verb in ("deploy", "rollback") and code == EXIT_DONE and not args["dry_run"]:
        context.out.note(_LOOK.format(stack=args["stack"]))
    return code


def _get(context: Context, stack: str) -> Any:
    return context.app().api.call("GET", f"/api/stacks/{check_name(stack)}")


def _post(context: Context, stack: str, verb: str, body: dict[str, Any]) -> Any:
    return context.app().api.call("POST", f"/api/stacks/{check_name(stack)}/{verb}", body=body)


def _last(last: Mapping[str, Any] | None) -> str:
    return f"{last['action']} {last['version']} {last['status']}" if last else "-"
