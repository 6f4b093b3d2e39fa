"""`trigger-units` and `trigger-all`: restart units through the same road as the API."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.timeline import leave, report_all
from podup.core.units import unit_name
from podup.errors import EXIT_DONE, EXIT_FAILED, Invalid


def run_units(args: Mapping[str, Any], context: Context) -> int:
    """Restart the units named."""
    listed = [name for chunk in args["units"] for name in chunk.split(",") if name.strip()]
    units = [unit_name(name.strip()) for name in (*args["names"], *listed)]
    if not units:
        raise Invalid("no-units", "no unit was named", "trigger-units web app, or --units web,app")
    return _trigger({"units": units}, args, context)


def run_all(args: Mapping[str, Any], context: Context) -> int:
    """Restart every known unit."""
    return _trigger({"all": True}, args, context)


def _trigger(body: dict[str, Any], args: Mapping[str, Any], context: Context) -> int:
    body |= {"dry_run": args["dry_run"], "caller": args["caller"], "reason": args["reason"]}
    api, out = context.app().api, context.out
    answer = api.call("POST", "/api/manual/trigger", body=body)
    if not (answer["triggered"] or answer["skipped"]):
        out.note("no services are known; `services --refresh` looks for them")
    for left in answer["skipped"]:
        out.note(f"{left['unit']} was left out: {left['reason']}; see `services`", "bad")
    codes = [EXIT_FAILED] if answer["skipped"] else []
    if args["no_wait"]:
        if args["json"]:
            out.json(answer)
        elif answer["task_id"]:
            out.line(answer["task_id"])
            leave(api, out)
        return max(codes, default=EXIT_DONE)
    started = [one["task_id"] for one in answer["triggered"]]
    codes += report_all(api, out, started, as_json=args["json"], beside={"skipped": answer["skipped"]})
    return max(codes, default=EXIT_DONE)
