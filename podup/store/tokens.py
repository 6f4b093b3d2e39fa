"""Access tokens: a name, what it may do, and the hash of its secret; the secret itself is never here.

The hash is SHA-256 in lower-case hex of a secret with at least 128 random bits, so no salt is needed.
"""

import json

from podup.records import dataclass
from podup.store.db import Connection, Row

USED_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token; times are Unix seconds, None for never."""

    id: str
    name: str
    hash: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None


def insert(cx: Connection, token: Token) -> None:
    """Add a token. Raises IntegrityError when its id or secret is there already."""
    cx.execute(
        "INSERT INTO tokens (id, name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        (token.id, token.name, token.hash, json.dumps(token.scopes), token.created_at, token.expires_at),
    )


def find(cx: Connection, token_hash: str, *, now_s: float) -> Token | None:
    """Return the token with this hash when it is neither revoked nor expired."""
    row = cx.execute(
        "SELECT * FROM tokens WHERE hash = ? AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > ?)",
        (token_hash, now_s),
    ).fetchone()
    return _token(row) if row else None


def used(cx: Connection, token_id: str, *, now_s: float) -> None:
    """Note that the token was used; at most one write a minute."""
    cx.execute(
        "UPDATE tokens SET last_used_at = ? WHERE id = ? AND coalesce(abs(last_used_at - ?) >= ?, 1)",
        (now_s, token_id, now_s, USED_EVERY_S),
    )


def all_tokens(cx: Connection) -> list[Token]:
    """Return all tokens, revoked ones too, newest first."""
    return [_token(row) for row in cx.execute("SELECT * FROM tokens ORDER BY created_at DESC, id")]


def revoke(cx: Connection, token: str, *, now_s: float) -> int:
    """Revoke the tokens of this id or name that still hold; return how many."""
    changed = cx.execute(
        "UPDATE tokens SET revoked_at = ? WHERE (id = ? OR name = ?) AND revoked_at IS NULL",
        (now_s, token, token),
    )
    return changed.rowcount


def _token(row: Row) -> Token:
    return Token(
        row["id"], row["name"], row["hash"], tuple(json.loads(row["scopes"])), row["created_at"],
        row["expires_at"], row["last_used_at"], row["revoked_at"],
    )  # fmt: skip
