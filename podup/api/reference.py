"""docs/api.md, made from the table of routes. Its curl lines run as they stand; a test runs them all."""

from collections.abc import Iterable, Sequence
from typing import Any, get_type_hints

from podup import records
from podup.server.router import Route, Who

_HEAD = """\
# The HTTP API

Made from the program's table of routes; `GET /api/openapi.json` has the same with all types. In the
examples `URL` is where the server is reached (`http://127.0.0.1:25111`), `TOKEN` an administrator's token
(`pod-upgrade-trigger token create NAME`), `SECRET` the webhook secret, `DIGEST` what was pushed; `SERVICE`,
`TASK`, `DELIVERY`, `BUCKET`, `STACK` and `NAME` are what lists show.

- **Who**: *everybody*; *administrator* (a token in `Authorization: Bearer`, ForwardAuth from a trusted
  proxy, or a session); *signature* (HMAC over the body). A token may have a narrower scope than `admin`.
  Routes with an effect want the header `X-Podup-CSRF: 1` from sessions and ForwardAuth.
- **Errors** are `{"error": {"code", "message", "hint"}, "request_id"}`; every answer has `X-Request-Id`.
  400 and 415 for bodies and queries, 401, 403, 404, 405 with `Allow`, 409 refused by a rule, 413, 421 for
  another host, 429 and 503 with `Retry-After`.
- **Lists** take `page` and `per_page` (50, at most 500) and answer `{NOUN: [...], total, page, page_size,
  has_next}`. Times are Unix seconds. Unknown query names are ignored, unknown fields of a body are not.
- **Webhooks** come from GitHub, or from any sender as `{image, tag?, digest?}`. The same body is a duplicate
  for three days, so name the digest: without it the next push of the same tag looks like this one again.
"""
_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Webhooks", ("/github-package-update", "/api/webhooks", "/last_payload")),
    ("Deliveries", ("/api/deliveries", "/api/explain")),
    ("Services", ("/api/manual", "/auto-update")),
    ("Tasks", ("/api/tasks", "/sse/task-logs", "/api/kinds")),
    ("Events", ("/api/events", "/sse/events")),
    ("Stacks", ("/api/stacks", "/api/deploy-history")),
    ("Safeguards", ("/api/quarantine", "/api/freeze", "/api/unfreeze", "/api/image-locks")),
    ("Access", ("/api/tokens", "/api/login", "/api/logout", "/api/session", "/401")),
    ("Updates of the program", ("/api/self-update", "/api/version")),
    ("The program", ("/api/settings", "/api/config", "/api/db", "/api/prune-state", "/api/openapi.json")),
    ("Probes and pages", ("/",)),
)
_WHO = {
    Who.OPEN: "everybody",
    Who.ADMIN: "administrator",
    Who.LOOPBACK: "administrator, or this machine",
    Who.SIGNATURE: "signature",
}
_VALUES = (
    ("/api/tasks/{id}", "TASK"), ("/api/explain/{id}", "TASK"), ("/api/deliveries/{id}", "DELIVERY"),
    ("/api/image-locks/", "BUCKET"), ("/api/tokens/", "NAME"), ("/api/stacks/", "STACK"), ("", "SERVICE"),
)  # fmt: skip
_SIGNED = """\
BODY='{"image":"ghcr.io/acme/web:latest","digest":"'"$DIGEST"'"}'
SIGNATURE=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" | sed 's/.* //')
"""
_SCALARS = {str: "text", bool: "true or false", int: "whole number", float: "number"}


def reference(routes: Sequence[Route]) -> str:
    """Return docs/api.md."""
    lines = [_HEAD]
    left = list(routes)
    for heading, prefixes in _GROUPS:
        group = [route for route in left if route.path.startswith(prefixes)]
        left = [route for route in left if route not in group]
        lines += [f"## {heading}", ""]
        for route in group:
            lines += _section(route)
    return "\n".join(lines).rstrip("\n") + "\n"


def curl(route: Route) -> str:
    """Return the shell lines that call a route."""
    words = ["curl -sS"]
    if route.path.startswith("/sse/"):
        words.append("-N --max-time 1")
    if route.method not in ("GET", "POST") or (route.method == "POST" and not _sends(route)):
        words.append(f"-X {route.method}")
    if route.who in (Who.ADMIN, Who.LOOPBACK):
        words.append('-H "Authorization: Bearer $TOKEN"')
    before = ""
    if route.who is Who.SIGNATURE:
        before = _SIGNED
        words += ['-d "$BODY"', '-H "X-Podup-Signature-256: sha256=$SIGNATURE"']
    elif _sends(route):
        if route.body is not None:
            words.append("-H 'Content-Type: application/json'")
        words.append(f"-d '{_example(route)}'")
    words.append(f'"$URL{_filled(route)}"')
    return before + " ".join(words)


def _section(route: Route) -> list[str]:
    who = _WHO[route.who]
    if route.who is Who.ADMIN and route.scope != "admin":
        who += f", or a token with the scope `{route.scope}`"
    if route.token_in:
        who += f"; the token may also stand in the {' or the '.join(route.token_in)}"
    lines = [f"### {route.method} {route.path.replace('*}', '}')}", "", f"{route.says} Who: {who}."]
    if route.query:
        lines += ["", "Query: " + ", ".join(f"`{name}`" for name in route.query) + "."]
    if route.body is not None:
        lines += ["", f"Body: {_fields(route.body)}."]
    return [*lines, "", "```sh", *curl(route).splitlines(), "```", ""]


def _fields(body: type) -> str:
    hints = get_type_hints(body)
    missing = records.MISSING
    said = []
    for field in records.fields(body):
        is_wanted = field.default is missing and field.default_factory is missing
        said.append(f"`{field.name}` ({_kind(hints[field.name])}{', required' if is_wanted else ''})")
    return ", ".join(said)


def _kind(hint: Any) -> str:
    if hint in _SCALARS:
        return _SCALARS[hint]
    text = str(hint)
    if text.startswith("tuple"):
        return "list"
    return "whole number" if "int" in text else "object"


def _sends(route: Route) -> bool:
    return route.body is not None or bool(route.example)


def _example(route: Route) -> str:
    if route.example:
        return route.example.replace("$TOKEN", "'\"$TOKEN\"'")
    names: Iterable[str] = [field.name for field in records.fields(route.body)] if route.body else ()
    return '{"dry_run":true}' if "dry_run" in names else "{}"


def _filled(route: Route) -> str:
    value = next(value for prefix, value in _VALUES if route.path.startswith(prefix))
    parts = (f"${value}" if part.startswith("{") else part for part in route.path.split("/"))
    asked = "?task_id=$TASK" if "task_id" in route.query and route.path.startswith("/sse/") else ""
    return "/".join(parts) + asked
