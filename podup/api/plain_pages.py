"""A short page without any script, served as long as no other page is given, and the form to log in.

Everybody sees the version and how the program is; what runs and what was deployed only an administrator.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from podup.api.login import LoginBody, begin_session
from podup.core.states import Status
from podup.engine.engine import Engine
from podup.errors import Forbidden, Invalid, PodupError
from podup.late import late
from podup.server.auth import BEARER, Auth
from podup.server.request import Principal, Request
from podup.server.response import Response
from podup.server.router import Handler, Route, Who
from podup.store import deployments, tasks
from podup.store.tasks import TaskFilter
from podup.version import COMMIT, VERSION

if TYPE_CHECKING:
    import html
else:
    html = late("html")

PAGES = (
    "/", "/services", "/tasks", "/events", "/webhooks", "/stacks", "/updates", "/maintenance", "/settings",
)  # fmt: skip
LOGIN = "/401"
_HTML = ("Content-Type", "text/html; charset=utf-8")
_SHOWN = 10
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "overflow-wrap:break-word}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #8884}"
    "td:first-child{white-space:nowrap}td:last-child{overflow-wrap:anywhere}"
    "@media(max-width:40rem){thead{display:none}tr{display:block;padding:.4rem 0;"
    "border-bottom:1px solid #8884}td:nth-child(n){display:inline;border:0;white-space:normal}}"
    "input,button{font:inherit;padding:.3rem .6rem}"
)
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path d="M8 1 15 8h-4v7H5V8H1z" fill="#2a7"/></svg>'
)


class PlainPages:
    """The page, the form, the icon. `health` is what answers `/health`."""

    def __init__(self, engine: Engine, auth: Auth, *, health: Handler | None, has_files: bool) -> None:
        self._engine = engine
        self._auth = auth
        self._health = health
        self._has_files = has_files

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table; only that of logging in when another page's files are served."""
        form = Route(
            "POST",
            LOGIN,
            "Log in from the form.",
            Who.OPEN,
            self.log_in,
            in_loop=True,
            body_limit=4096,
            example="token=$TOKEN",
        )
        if self._has_files:
            return (form,)
        shown = "A short page: health, what runs, last deployments."
        ask = "The form to log in with a token, or with the link of the log."
        return (
            *(Route("GET", page, shown, Who.OPEN, self.page) for page in PAGES),
            Route("GET", LOGIN, ask, Who.OPEN, self.ask, query=("code",)),
            form,
            Route("GET", "/favicon.ico", "The icon.", Who.OPEN, icon, in_loop=True),
            Route("GET", "/manual", "The older name of /services.", Who.OPEN, manual, in_loop=True),
        )

    def page(self, request: Request) -> Response:
        principal = self._who(request)
        with self._engine.store.read() as cx:
            latest, _ = deployments.find(cx, per_page=_SHOWN)
            running, _ = tasks.find(cx, TaskFilter(status=(Status.PENDING, Status.RUNNING)), per_page=_SHOWN)
        parts = [f"<p>Version {html.escape(VERSION)} ({html.escape(COMMIT)}).</p>"]
        status, issues = self._look(request)
        parts.append(f"<p>Health: {html.escape(status)} (<a href='/health'>details</a>).</p>")
        if principal is None or not principal.may("admin"):
            parts.append(f"<p><a href='{LOGIN}'>Log in</a> to see more.</p>")
        else:
            if issues:
                parts += _table("Not well", ("what", "why", "what to do"), issues)
            rows = [(task.unit or task.kind, task.kind, str(task.status), task.message) for task in running]
            parts += _table("Running", ("unit", "kind", "status", "why"), rows)
            local = self._engine.clock.local
            done = [
                (
                    f"{local(one.finished_at):%Y-%m-%d %H:%M}",
                    one.target,
                    one.kind,
                    one.outcome.replace("_", " "),
                    one.reason,
                )
                for one in latest
            ]
            parts += _table("Last deployments", ("when", "unit", "what", "outcome", "why"), done)
            parts.append("<p><a href='/api/manual/services'>services</a> · <a href='/api/tasks'>tasks</a> · ")
            parts.append("<a href='/api/events'>events</a> · <a href='/api/deliveries'>deliveries</a></p>")
        parts.append("<p><a href='/api/openapi.json'>The API's description</a></p>")
        return _html(200, parts)

    def ask(self, request: Request) -> Response:
        return _html(200, _form(request.query_one("code"), ""))

    def log_in(self, request: Request) -> Response:
        """Take the form and go to the page, or show the form again and why."""
        try:
            if request.header("sec-fetch-site") == "cross-site":  # it would log somebody in as somebody else
                raise Forbidden("csrf", "another site sent this form", "open this page and log in here")
            body = _read_form(request)
            _, cookie = begin_session(self._auth, request, body)
        except PodupError as error:
            return _html(error.status, _form("", "; ".join(filter(None, (error.message, error.hint)))))
        return Response(303, (("Location", "/"), cookie))

    def _look(self, request: Request) -> tuple[str, list[tuple[str, str, str]]]:
        """Return how the program is, in a word, and what is not well: the part, why, what to do."""
        if self._health is None:
            return "unknown", []
        told = json.loads(self._health(request).body)
        issues = [(one["component"], one["message"], one["hint"]) for one in told["issues"]]
        return str(told["status"]), issues

    def _who(self, request: Request) -> Principal | None:
        """Return who looks at the page, as far as that can be told without a token."""
        if request.header("authorization")[: len(BEARER)].lower() == BEARER:
            return None
        return self._auth.identify(Route("GET", "/", "", Who.OPEN, self.page), request)


def icon(_request: Request) -> Response:
    """Answer with the icon."""
    return Response(200, (("Content-Type", "image/svg+xml"),), _ICON.encode())


def manual(_request: Request) -> Response:
    """Send to the newer name."""
    return Response(308, (("Location", "/services"),))


def _read_form(request: Request) -> LoginBody:
    media = request.header("content-type").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise Invalid("not-a-form", "the form has to be sent as a form")
    try:
        fields = parse_qs(request.body.decode(), max_num_fields=8)
    except ValueError:
        raise Invalid("not-a-form", "the form cannot be read") from None
    return LoginBody(fields.get("token", [""])[0].strip(), fields.get("code", [""])[0].strip())


def _form(code: str, why_not: str) -> list[str]:
    parts = [f"<p role='alert'><strong>{html.escape(why_not)}</strong></p>"] if why_not else []
    if code:
        field = f"<input type='hidden' name='code' value='{html.escape(code, quote=True)}'>"
    else:
        field = (
            "<label>Token <input type='password' name='token' required autofocus "
            "autocomplete='current-password'></label> "
        )
    where = (
        "<p>Where none was configured, one stands in the file <code>admin-token</code> of the state "
        "directory, and the log of the service has a link to log in with.</p>"
    )
    form = f"<form method='post' action='{LOGIN}'>{field}<button>Log in</button></form>"
    return [*parts, form] if code else [*parts, form, where]


def _table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = "".join(
        "<tr>" + " ".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    if not body:
        return [f"<h2>{html.escape(caption)}</h2><p>Nothing.</p>"]
    head = "".join(f"<th scope='col'>{html.escape(heading)}</th>" for heading in headings)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return [f"<h2>{html.escape(caption)}</h2>{table}"]


def _html(status: int, parts: Iterable[str]) -> Response:
    title = "pod-upgrade-trigger"
    text = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' "
        f"content='width=device-width'><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"{''.join(parts)}</html>\n"
    )
    return Response(status, (_HTML,), text.encode("utf-8", "replace"))
