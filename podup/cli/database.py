"""`db backup|check|restore`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podup.cli.context import Context
from podup.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED
from podup.store.backup import verify


def run_backup(args: Mapping[str, Any], context: Context) -> int:
    """Make a verified copy."""
    made = context.app().api.call("POST", "/api/db/backup")
    says = f"{made['path']} ({made['bytes']} bytes, verified, sha256 {made['sha256'][:16]})"
    context.out.result(made, says, as_json=args["json"])
    return EXIT_DONE


def run_check(args: Mapping[str, Any], context: Context) -> int:
    """Check the database; exit 1 when something is wrong with it."""
    answer = context.app().api.call("GET", "/api/db")
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE if answer["ok"] else EXIT_FAILED
    for problem in answer["problems"]:
        context.out.line(context.out.styled(problem, "bad"))
    if answer["ok"]:
        rows = sum(answer["rows"].values())
        context.out.line(f"the database is whole: schema {answer['schema']}, {rows} rows")
    for kept in answer["backups"]:
        context.out.line(f"backup: {kept['path']} ({kept['bytes']} bytes)")
    return EXIT_DONE if answer["ok"] else EXIT_FAILED


def run_restore(args: Mapping[str, Any], context: Context) -> int:
    """Put a backup in the database's place; what was there is kept beside it."""
    source = Path(args["file"]).expanduser()
    verify(source)
    question = f"put {source} in the place of the database?"
    if not args["yes"] and not context.out.ask(question, sys.stdin.readline):
        return EXIT_REFUSED
    restored = context.app().restore_database(source)
    value = {"restored": str(source), "schema": restored.schema, "rows": restored.counts}
    if args["json"]:
        context.out.json(value)
    else:
        context.out.line(f"restored {source}: schema {restored.schema}, {sum(restored.counts.values())} rows")
        context.out.note("what was there is kept beside it as *.before-restore", "muted")
    return EXIT_DONE
