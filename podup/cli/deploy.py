"""`deploy` and `rollback`: submit, follow to the end, exit with how it ended."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.timeline import leave, report_all
from podup.core.units import slug, unit_name
from podup.errors import PodupError


def run(args: Mapping[str, Any], context: Context) -> int:
    """Deploy each unit and follow it."""
    body = {
        "dry_run": args["dry_run"],
        "caller": args["caller"],
        "reason": args["reason"],
        "force": args["force"],
        **({"image": args["image"]} if args["image"] else {}),
    }
    paths = [f"/api/manual/services/{slug(unit_name(unit))}" for unit in args["units"]]
    return _submit(context, [(path, body) for path in paths], args)


def rollback(args: Mapping[str, Any], context: Context) -> int:
    """Take one unit back to a digest that ran before."""
    body = {
        "dry_run": args["dry_run"],
        "caller": args["caller"],
        "reason": args["reason"],
        **({"to": args["to"]} if args["to"] else {}),
    }
    return _submit(context, [(f"/api/manual/services/{slug(unit_name(args['unit']))}/rollback", body)], args)


def _submit(context: Context, wanted: list[tuple[str, dict[str, Any]]], args: Mapping[str, Any]) -> int:
    """Submit all, and see those that were accepted to their end; then raises what the first other met."""
    api, out = context.app().api, context.out
    accepted: list[dict[str, Any]] = []
    refused: list[PodupError] = []
    for path, body in wanted:
        try:
            accepted.append(api.call("POST", path, body=body))
        except PodupError as error:
            refused.append(error)
    codes = [0]
    if args["no_wait"] and args["json"]:
        out.json({"tasks": accepted})
    elif args["no_wait"]:
        for answer in accepted:
            out.line(answer["task_id"])
        leave(api, out)
    elif accepted:
        started = [answer["task_id"] for answer in accepted]
        codes = report_all(api, out, started, as_json=args["json"], verbose=args["verbose"])
    if refused:
        raise refused[0]
    return max(codes)
