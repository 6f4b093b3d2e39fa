"""Sessions of browsers and the single-use codes that begin one; in memory, forgotten at a restart.

Only hashes are kept. A code is good for one login within 15 minutes and gives a session of 15 minutes; a
token gives one of 12 hours, which ends when the token does.
"""

import base64
import hashlib
import threading
from collections.abc import Callable

from podup.clock import Clock
from podup.records import dataclass
from podup.server.request import Principal

COOKIE = "podup_session"
CODE_S = 15 * 60
CODE_SESSION_S = 15 * 60
TOKEN_SESSION_S = 12 * 60 * 60
_MAX_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """Who is logged in, until when (monotonic seconds), and the hash of the token it was begun with."""

    principal: Principal
    expires_at: float
    token_hash: str = ""


class Sessions:
    """Codes and sessions; from any thread."""

    def __init__(self, clock: Clock, random_bytes: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._random_bytes = random_bytes
        self._sessions: dict[str, Session] = {}
        self._codes: dict[str, float] = {}
        self._guard = threading.Lock()

    def new_code(self) -> str:
        """Return a code that begins one session."""
        code = self._new_value()
        with self._guard:
            _drop_oldest(self._codes)
            self._codes[hash_token(code)] = self._clock.monotonic() + CODE_S
        return code

    def redeem(self, code: str) -> bool:
        """Return whether the code was good; it is not any more."""
        expires_at = self._codes.pop(hash_token(code), None)
        return expires_at is not None and self._clock.monotonic() < expires_at

    def begin(self, principal: Principal, lasts_s: int, *, token: str = "") -> str:
        """Return the cookie's value of a new session."""
        now = self._clock.monotonic()
        value = self._new_value()
        session = Session(principal, now + lasts_s, hash_token(token) if token else "")
        with self._guard:
            for key in [key for key, old in self._sessions.items() if old.expires_at <= now]:
                del self._sessions[key]
            _drop_oldest(self._sessions)
            self._sessions[hash_token(value)] = session
        return value

    def find(self, value: str) -> Session | None:
        """Return the living session of a cookie's value."""
        session = self._sessions.get(hash_token(value)) if value else None
        if session is None or session.expires_at <= self._clock.monotonic():
            return None
        return session

    def end(self, value: str) -> None:
        """Forget a session."""
        with self._guard:
            self._sessions.pop(hash_token(value), None)

    def _new_value(self) -> str:
        return base64.urlsafe_b64encode(self._random_bytes(32)).decode().rstrip("=")


def hash_token(value: str) -> str:
    """Return the form in which tokens, codes and cookies are kept and looked up: SHA-256, hexadecimal.

    Looking a hash up takes time that tells nothing about the value it stands for.
    """
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def _drop_oldest(kept: dict[str, Session] | dict[str, float]) -> None:
    if len(kept) >= _MAX_KEPT:
        del kept[next(iter(kept))]
