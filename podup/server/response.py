"""Answers: JSON, problems, pages of lists, and the headers that all of them carry."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from podup.errors import PodupError
from podup.late import late
from podup.records import dataclass
from podup.server.request import Page, Request, read_page

if TYPE_CHECKING:
    import html
else:
    html = late("html")

Headers = tuple[tuple[str, str], ...]

JSON = "application/json"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_JSON_HEADERS: Headers = (("Content-Type", JSON),)
SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_BARE_POLICY = (
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
)
_COMMON = (*SECURITY_HEADERS, ("Cache-Control", "no-store"), _BARE_POLICY)
_CHALLENGE = ("WWW-Authenticate", 'Bearer realm="pod-upgrade-trigger"')
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    "<style>body{{font:1.1rem system-ui;max-width:36rem;margin:4rem auto;padding:0 1rem}}</style>"
    "<h1>{title}</h1><p>{message}</p><p>{hint}</p><p><small>{request_id}</small></p></html>\n"
)


class EventSource(Protocol):
    """A stream of server-sent events: what `sse` hands to the loop."""

    def attach(self, wake: "Wake") -> None:
        """Begin: `wake` is called, from any thread, whenever there is something to take."""

    def take(self) -> bytes:
        """Return what is to be sent next; empty when there is nothing."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will follow what was taken, or the watcher was too slow."""

    def close(self) -> None:
        """The watcher is gone."""


class Wake(Protocol):
    """Tells the loop to look."""

    def __call__(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; `stream` goes on after `body`, until either side closes. `is_logged`: the event log has
    its row already.

    Raises ValueError for header values that are not printable ASCII: a line end would split the answer.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    stream: EventSource | None = None
    is_logged: bool = False

    def __post_init__(self) -> None:
        if self.headers is _JSON_HEADERS:
            return
        for name, value in self.headers:
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the value of the header {name} is not printable ASCII")


class MethodNotAllowed(PodupError):
    """The path exists, but not for this method; `allow` are those it has."""

    status = 405

    def __init__(self, method: str, allow: Sequence[str]) -> None:
        listed = ", ".join(allow)
        super().__init__("method-not-allowed", f"{method} is not possible here", f"allowed: {listed}")
        self.allow = listed


def answer(
    value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = (), *, is_logged: bool = False
) -> Response:
    """Return `value` as JSON."""
    return Response(status, _JSON_HEADERS + headers, dump(value), is_logged=is_logged)


def answer_page(noun: str, items: Sequence[Any], *, total: int, page: Page, **beside: Any) -> Response:
    """Return one page of a list under its noun, and what stands beside it."""
    has_next = page.offset + len(items) < total
    paging = {"total": total, "page": page.number, "page_size": page.size, "has_next": has_next}
    return answer({noun: list(items), **paging, **beside})


def answer_list(noun: str, rows: Sequence[Any], request: Request, **beside: Any) -> Response:
    """Return the page asked for of a list that is short enough to be made whole. Raises Invalid."""
    page = read_page(request)
    shown = rows[page.offset : page.offset + page.size]
    return answer_page(noun, shown, total=len(rows), page=page, **beside)


def dump(value: Any) -> bytes:
    """Return compact JSON with a line end. Raises ValueError for NaN and infinity."""
    return _ENCODER.encode(value).encode() + b"\n"


def problem(error: PodupError, request_id: str, *, as_page: bool = False) -> Response:
    """Return an error as JSON, or as a small page for a browser that asked for one."""
    headers: list[tuple[str, str]] = []
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(max(0, error.retry_after_s))))
    if isinstance(error, MethodNotAllowed):
        headers.append(("Allow", error.allow))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers.append(_CHALLENGE)
    if as_page:
        return Response(
            error.status, (("Content-Type", "text/html; charset=utf-8"), *headers), _page(error, request_id)
        )
    said = {"code": error.code, "message": error.message, "hint": error.hint}
    return answer({"error": said, "request_id": request_id}, error.status, tuple(headers))


def _page(error: PodupError, request_id: str) -> bytes:
    texts = {"message": error.message, "hint": error.hint, "request_id": request_id}
    title = HTTPStatus(error.status).phrase
    return _PAGE.format(title=title, **{name: html.escape(text) for name, text in texts.items()}).encode()


def header_lines(response: Response, request_id: str) -> str:
    """Return the lines of the response's headers and of those every answer has; what it says itself wins."""
    lines = _LINES.get(response.headers) or _lines(response.headers)
    return f"X-Request-Id: {request_id}\r\n{lines}"


def _lines(headers: Headers) -> str:
    said = {name for name, _ in headers}
    added = [(name, value) for name, value in _COMMON if name not in said]
    return "".join([f"{name}: {value}\r\n" for name, value in (*headers, *added)])


_LINES: dict[Headers, str] = {
    headers: _lines(headers) for headers in (_JSON_HEADERS, (*_JSON_HEADERS, _CHALLENGE))
}
