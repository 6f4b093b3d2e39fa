"""Logging in and out of the pages: `POST /api/login`, `POST /api/logout`, `GET /api/session`."""

from podup.errors import Unauthorized
from podup.records import dataclass
from podup.server.auth import ADMIN, Auth
from podup.server.request import Principal, Request
from podup.server.response import Response, answer
from podup.server.router import Route, Who
from podup.server.sessions import CODE_SESSION_S, COOKIE, TOKEN_SESSION_S


@dataclass(frozen=True, slots=True)
class LoginBody:
    """One of the two: a token, or the single-use code of the link in the log."""

    token: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """Who is logged in and how; `name` is empty for nobody."""

    name: str
    how: str
    scopes: tuple[str, ...] = ()


def routes(auth: Auth) -> tuple[Route, ...]:
    """Return the rows; they only touch memory, so they run in the loop, where sessions live."""

    def log_in(request: Request) -> Response:
        body: LoginBody = request.data
        principal, cookie = begin_session(auth, request, body)
        return answer(_described(principal), headers=(cookie,))

    def log_out(request: Request) -> Response:
        auth.sessions.end(request.cookie(COOKIE))
        return answer({"name": "", "how": "open"}, headers=(_cookie(request, "", 0),))

    def show(request: Request) -> Response:
        principal = auth.identify(show_row, request)
        return answer(_described(principal) if principal else {"name": "", "how": "open", "scopes": []})

    show_row = Route(
        "GET",
        "/api/session",
        "Who is logged in.",
        Who.OPEN,
        handler=show,
        in_loop=True,
        answer=SessionAnswer,
    )
    return (
        Route(
            "POST",
            "/api/login",
            "Begin a session with a token or a single-use code.",
            Who.OPEN,
            handler=log_in,
            in_loop=True,
            body=LoginBody,
            example='{"token":"$TOKEN"}',
            answer=SessionAnswer,
            body_limit=4096,
        ),
        Route(
            "POST",
            "/api/logout",
            "End the session.",
            Who.OPEN,
            handler=log_out,
            in_loop=True,
            answer=SessionAnswer,
        ),
        show_row,
    )


def begin_session(auth: Auth, request: Request, body: LoginBody) -> tuple[Principal, tuple[str, str]]:
    """Return who logged in, and the header that gives the cookie. Raises Unauthorized and RateLimited."""
    if body.code:
        if not auth.sessions.redeem(body.code):
            auth.failures.check(request.client)
            auth.failures.record(request.client)
            raise Unauthorized("bad-code", "the code was used before or is too old", "use a token")
        principal, lasts_s = Principal("login code", "session", ADMIN), CODE_SESSION_S
    else:
        known = auth.principal_of(body.token, request)
        principal, lasts_s = Principal(known.name, "session", known.scopes), TOKEN_SESSION_S
    value = auth.sessions.begin(principal, lasts_s, token="" if body.code else body.token)
    return principal, _cookie(request, value, lasts_s)


def _described(principal: Principal) -> dict[str, object]:
    return {"name": principal.name, "how": principal.how, "scopes": sorted(principal.scopes)}


def _cookie(request: Request, value: str, lasts_s: int) -> tuple[str, str]:
    secure = "; Secure" if request.header("x-forwarded-proto") == "https" else ""
    return ("Set-Cookie", f"{COOKIE}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}")
