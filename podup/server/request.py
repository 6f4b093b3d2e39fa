"""A request as handlers see it: framed, routed, authorised; never a socket."""

from collections.abc import Mapping
from typing import Any

from podup.errors import Invalid
from podup.records import dataclass, field

PER_PAGE = 50
MAX_PER_PAGE = 500
_MAX_PAGE = 10_000_000


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the connection; `is_control` for our own control socket."""

    address: str
    is_control: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `how` is open, control, token, session, forward-auth, dev-open, loopback or signature."""

    name: str
    how: str
    scopes: frozenset[str] = frozenset()

    def may(self, scope: str) -> bool:
        return "admin" in self.scopes or scope in self.scopes


NOBODY = Principal("", "open")


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    `path` is decoded; `headers` have lower-case names; `params` are the values of the route's `{name}`
    segments; `data` is the decoded body of a route that has a body type; `received_at` is monotonic;
    `action` names the row of the table it was matched to.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: Peer = Peer("")
    client: str = ""
    request_id: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    principal: Principal = NOBODY
    data: Any = None
    received_at: float = 0.0
    action: str = ""

    def header(self, name: str) -> str:
        """Return the value of a header named in lower case, or an empty string."""
        return self.headers.get(name, "")

    def query_one(self, name: str, default: str = "") -> str:
        """Return the last value given for a query field."""
        values = self.query.get(name)
        return values[-1] if values else default

    def query_int(self, name: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number of the query, at most `high`. Raises Invalid for text or below `low`."""
        raw = self.query_one(name)
        if not raw:
            return default
        if not (raw.isascii() and raw.isdigit() and len(raw) <= 15) or int(raw) < low:
            raise Invalid("bad-query", f"the query field {name} has to be a whole number from {low}")
        return min(int(raw), high)

    def cookie(self, name: str) -> str:
        """Return the first cookie of that name, or an empty string."""
        for part in self.header("cookie").split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
        return ""


PAGING = ("page", "per_page")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for; `number` counts from 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size


def read_page(request: Request) -> Page:
    """Return the page asked for with `page` and `per_page` (50, at most 500). Raises Invalid."""
    number = request.query_int("page", 1, low=1, high=_MAX_PAGE)
    return Page(number, request.query_int("per_page", PER_PAGE, low=1, high=MAX_PER_PAGE))
