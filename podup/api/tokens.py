"""The routes of access tokens. A token's secret is shown once, when it is made; only its hash is kept."""

import base64
from typing import Any

from podup.core.states import new_id
from podup.engine.engine import Engine
from podup.errors import Invalid, NotFound
from podup.records import dataclass
from podup.server.request import PAGING, Request
from podup.server.response import Response, answer, answer_list
from podup.server.router import Route, Who
from podup.server.sessions import hash_token
from podup.store import tokens
from podup.store.tokens import Token

SCOPES = ("admin", "manual", "stacks", "auto-update", "metrics")
_NAME_LENGTH = 80
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class TokenBody:
    """A name to know it by, what it may do, and after how many days it ends; 0 for never."""

    name: str
    scopes: tuple[str, ...] = ("admin",)
    days: int = 0
    caller: str = ""


class TokenRoutes:
    """Makes, lists and revokes tokens."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        base, one = "/api/tokens", "/api/tokens/{token}"
        make = "Make a token; the answer is the only place where it is shown."
        end = "Revoke the token of this id, or all of this name."
        return (
            Route("GET", base, "List tokens, revoked ones too.", Who.ADMIN, self.list, query=PAGING),
            Route(
                "POST",
                base,
                make,
                Who.ADMIN,
                self.create,
                effect=True,
                body=TokenBody,
                example='{"name":"ci","scopes":["manual"],"days":90}',
            ),
            Route("DELETE", one, end, Who.ADMIN, self.revoke, effect=True),
        )

    def list(self, request: Request) -> Response:
        with self._engine.store.read() as cx:
            rows = [_row(token) for token in tokens.all_tokens(cx)]
        return answer_list("tokens", rows, request)

    def create(self, request: Request) -> Response:
        body: TokenBody = request.data
        unknown = sorted(set(body.scopes) - set(SCOPES))
        if unknown or not body.scopes:
            says = f"not a scope: {unknown[0]!r}" if unknown else "no scope was named"
            raise Invalid("bad-scope", says, f"known are: {', '.join(SCOPES)}")
        if not body.name.strip() or len(body.name) > _NAME_LENGTH or not body.name.isprintable():
            raise Invalid("bad-name", f"a token wants a printable name of at most {_NAME_LENGTH} letters")
        if not 0 <= body.days <= 36500:
            raise Invalid("bad-field", "days has to be from 0 to 36500")
        engine, now_s = self._engine, self._engine.clock.now()
        secret = "podup_" + base64.urlsafe_b64encode(engine.random_bytes(_SECRET_BYTES)).decode().rstrip("=")
        expires_at = now_s + body.days * 86400 if body.days else None
        token_id = new_id("tok", engine.random_bytes, now_s)
        made = Token(token_id, body.name, hash_token(secret), body.scopes, now_s, expires_at)
        with engine.store.write() as cx:
            tokens.insert(cx, made)
        return answer({**_row(made), "token": secret}, status=201)

    def revoke(self, request: Request) -> Response:
        named = request.params["token"]
        with self._engine.store.write() as cx:
            count = tokens.revoke(cx, named, now_s=self._engine.clock.now())
        if not count:
            raise NotFound("token-not-found", f"no token that holds is {named[:80]!r}", "see `token list`")
        return answer({"token": named, "revoked": count})


def _row(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }
