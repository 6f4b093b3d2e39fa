"""The typed row of a route, and finding the row for a request.

From the rows come matching, 404 and 405, who may call, CSRF, body validation, OpenAPI and the docs. A pattern
is a path whose segments may be `{name}` (one segment) and whose last may be `{name*}` (the rest). A GET row
also answers HEAD; OPTIONS is answered from the table.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import cache, lru_cache

from podup.errors import Invalid, NotFound
from podup.records import dataclass, field
from podup.server.request import Request
from podup.server.response import MethodNotAllowed, Response

Handler = Callable[[Request], Response]
BatchHandler = Callable[[Sequence[Request]], Sequence[Response]]

SMALL_BODY = 64 * 1024
PROBES = frozenset({"/health", "/livez", "/readyz", "/sse/hello", "/metrics"})


class Who(StrEnum):
    """Who may call a route.

    `open`: anybody. `admin`: control socket, ForwardAuth, session, or a token with the route's scope.
    `loopback`: as admin, or anybody on this machine. `signature`: the handler checks the body's signature.
    """

    OPEN = "open"
    ADMIN = "admin"
    LOOPBACK = "loopback"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `handler` runs in the pool, or with `in_loop` in the loop: for what never blocks (`/livez`).
    `batch` runs in the loop and gets all requests of one turn, so that one commit serves them all.

    `scope` is what a token needs unless it has `admin`; `token_in` names other places for it than the
    Authorization header (`body`, `query`); `body` and `answer` are dataclasses; `body_limit` is in bytes;
    `example` is a body as the documentation shows it, where an empty or a dry one would not do.
    """

    method: str
    path: str
    says: str
    who: Who
    handler: Handler | None = None
    batch: BatchHandler | None = None
    in_loop: bool = False
    effect: bool = False
    scope: str = "admin"
    token_in: tuple[str, ...] = ()
    body: type | None = None
    answer: type | None = None
    body_limit: int = SMALL_BODY
    query: tuple[str, ...] = ()
    example: str = ""

    @property
    def action(self) -> str:
        """The fixed words of the path, as the event log names the request: `manual-services-upgrade`."""
        return _action(self.path)


@dataclass(frozen=True, slots=True)
class Match:
    """The row for a request and the values of its pattern."""

    route: Route
    params: dict[str, str] = field(default_factory=dict)


class _Node:
    """One segment of the tree of patterns."""

    def __init__(self) -> None:
        self.named: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.rest: _Node | None = None
        self.names: tuple[str, ...] = ()
        self.rows: dict[str, Route] = {}


class Router:
    """All rows of the program, in a tree by segment; a fixed segment wins over a `{name}`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            self._add(route)
        self._match = lru_cache(maxsize=256)(self._search)  # a host has few units, and webhooks name them

    def match(self, method: str, path: str) -> Match:
        """Return the row and its parameters. Raises NotFound and MethodNotAllowed."""
        return self._match(method, path)

    def _search(self, method: str, path: str) -> Match:
        found = _find(self._root, path.split("/")[1:])
        if found is None:
            raise NotFound("no-such-path", "there is nothing at this path", "see /api/openapi.json")
        node, values = found
        row = node.rows.get("GET" if method == "HEAD" else method)
        if row is not None:
            return Match(row, dict(zip(node.names, values, strict=True)))
        allow = methods_of(node.rows)
        if method == "OPTIONS":
            return Match(_options(path, allow))
        raise MethodNotAllowed(method, allow)

    def _add(self, route: Route) -> None:
        if (route.handler is None) == (route.batch is None):
            raise Invalid("bad-route", f"{route.method} {route.path} needs a handler or a batch handler")
        node, names = self._root, []
        for segment in route.path.split("/")[1:]:
            if segment.endswith("*}"):
                names.append(segment[1:-2])
                node.rest = node = node.rest or _Node()
            elif segment.startswith("{"):
                names.append(segment[1:-1])
                node.any = node = node.any or _Node()
            else:
                node = node.named.setdefault(segment, _Node())
        if node.rows and node.names != tuple(names):
            raise Invalid("bad-route", f"{route.path} names its segments in two ways")
        if route.method in node.rows:
            raise Invalid("bad-route", f"{route.method} {route.path} stands twice in the table")
        node.names = tuple(names)
        node.rows[route.method] = route


@cache
def _action(path: str) -> str:
    words = path.removeprefix("/api").split("/")
    return "-".join(word for word in words if word and not word.startswith("{"))


def methods_of(rows: Iterable[str]) -> tuple[str, ...]:
    """Return the methods a path answers, given those it has rows for."""
    methods = {*rows, "OPTIONS"}
    return tuple(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def _find(node: _Node, segments: list[str]) -> tuple[_Node, list[str]] | None:
    """Walk down the tree; at most two branches a segment, and patterns are few."""
    if not segments:
        return (node, []) if node.rows else None
    here, below = segments[0], segments[1:]
    fixed = node.named.get(here)
    if fixed is not None and (found := _find(fixed, below)) is not None:
        return found
    if node.any is not None and here and (found := _find(node.any, below)) is not None:
        return found[0], [here, *found[1]]
    if node.rest is not None:
        return node.rest, ["/".join(segments)]
    return None


def _options(path: str, allow: Sequence[str]) -> Route:
    response = Response(204, (("Allow", ", ".join(allow)),))
    says = "Which methods a path has."
    return Route("OPTIONS", path, says, Who.OPEN, batch=lambda turn: [response] * len(turn))
