"""`quarantine`, `freeze` and `unfreeze`: what holds deployments back."""

import re
from collections.abc import Mapping
from typing import Any

from podup.cli.calls import call_for_all
from podup.cli.context import Context
from podup.cli.moments import when
from podup.errors import EXIT_DONE

_DIGEST_SHOWN = 19  # sha256: and twelve letters, enough to release it by
_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{1,64}|sha256:?")


def run_quarantine(args: Mapping[str, Any], context: Context) -> int:
    """List quarantined digests."""
    query = {"released": "1"} if args["released"] else {}
    answer = call_for_all(context.app().api, "/api/quarantine", "quarantine", query=query)
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    rows = [
        (
            row["target"],
            row["digest"][:_DIGEST_SHOWN],
            when(row["since"]),
            f"released by {row['released_by']}" if row["released_at"] else "held",
            row["reason"],
        )
        for row in answer["quarantine"]
    ]
    context.out.table(("unit", "digest", "since", "state", "reason"), rows)
    return EXIT_DONE


def run_release(args: Mapping[str, Any], context: Context) -> int:
    """Release digests; a word that can be no digest is a unit's name."""
    named, unit = args["digest"], args["unit"]
    if named and not unit and not _DIGEST.fullmatch(named):
        named, unit = "", named
    body = {"digest": named, "unit": unit, "caller": args["caller"]}
    answer = context.app().api.call("POST", "/api/quarantine/release", body=body)
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    for row in answer["released"]:
        context.out.line(f"released: {row['digest']} may be deployed on {row['unit']} again")
    return EXIT_DONE


def run_freeze(args: Mapping[str, Any], context: Context) -> int:
    """Freeze, or list what is frozen."""
    if args["list"]:
        return _list(args, context)
    answer = context.app().api.call("POST", "/api/freeze", body=_body(args))
    again = f"unfreeze {args['unit'] or ''}".strip()
    says = f"frozen: {answer['unit'] or 'everything'}; `{again}` lets it go on"
    context.out.result(answer, says, as_json=args["json"])
    return EXIT_DONE


def run_unfreeze(args: Mapping[str, Any], context: Context) -> int:
    """Let deployments go on."""
    answer = context.app().api.call("POST", "/api/unfreeze", body=_body(args))
    context.out.result(answer, f"no longer frozen: {answer['unit'] or 'everything'}", as_json=args["json"])
    return EXIT_DONE


def _list(args: Mapping[str, Any], context: Context) -> int:
    answer = call_for_all(context.app().api, "/api/freezes", "freezes")
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    rows = [
        (row["unit"] or "(everything)", when(row["since"]), row["caller"], row["reason"])
        for row in answer["freezes"]
    ]
    context.out.table(("unit", "since", "by", "reason"), rows)
    return EXIT_DONE


def _body(args: Mapping[str, Any]) -> dict[str, str]:
    return {"unit": args["unit"], "caller": args["caller"], "reason": args["reason"]}
