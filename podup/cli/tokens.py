"""`token create|list|revoke`."""

from collections.abc import Mapping
from typing import Any

from podup.cli.calls import call_for_all
from podup.cli.context import Context
from podup.clock import SystemClock
from podup.errors import EXIT_DONE


def run_create(args: Mapping[str, Any], context: Context) -> int:
    """Make a token and show it, once."""
    scopes = [scope for text in args["scope"] for scope in text.split(",") if scope]
    body = {"name": args["name"], "days": args["days"], **({"scopes": scopes} if scopes else {})}
    answer = context.app().api.call("POST", "/api/tokens", body=body)
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    context.out.line(answer["token"])
    may = ", ".join(answer["scopes"])
    context.out.note(f"token {answer['name']} ({may}); it is not shown again", "muted")
    return EXIT_DONE


def run_list(args: Mapping[str, Any], context: Context) -> int:
    """List tokens."""
    answer = call_for_all(context.app().api, "/api/tokens", "tokens")
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    rows = [
        (
            token["id"],
            token["name"],
            ",".join(token["scopes"]),
            _when(token["created_at"]),
            _when(token["expires_at"]),
            _when(token["last_used_at"]),
            _state(token),
        )
        for token in answer["tokens"]
    ]
    context.out.table(("id", "name", "scopes", "created", "ends", "last used", "state"), rows)
    return EXIT_DONE


def run_revoke(args: Mapping[str, Any], context: Context) -> int:
    """End a token."""
    answer = context.app().api.call("DELETE", f"/api/tokens/{args['token']}")
    context.out.result(answer, f"revoked: {answer['token']}", as_json=args["json"])
    return EXIT_DONE


def _state(token: Mapping[str, Any]) -> str:
    if token["revoked_at"]:
        return f"revoked {_when(token['revoked_at'])}"
    is_over = token["expires_at"] is not None and token["expires_at"] <= SystemClock().now()
    return "ended" if is_over else "holds"


def _when(at_s: float | None) -> str:
    return "never" if at_s is None else f"{SystemClock().local(at_s):%Y-%m-%d %H:%M}"
