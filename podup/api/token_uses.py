"""When tokens were last used: noted by the loop, written by whoever calls `turn`, about once a minute each.

So a token used with every request does not cost a write each time, and one that nobody uses any more shows.
"""

from collections.abc import Callable

from podup.clock import Clock
from podup.store import tokens
from podup.store.db import Store
from podup.store.tokens import USED_EVERY_S, Token

_FOR_EVER_S = 86400.0


class TokenUses:
    """Collects uses. `wake` asks for a `turn`; it is called once for many uses of a token."""

    def __init__(self, store: Store, clock: Clock, *, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake
        self._waiting: dict[str, float] = {}

    def note(self, token: Token) -> None:
        """Remember that the token was used now; from any thread."""
        now_s = self._clock.now()
        if token.last_used_at is not None and abs(now_s - token.last_used_at) < USED_EVERY_S:
            return
        if token.id not in self._waiting:
            self._waiting[token.id] = now_s
            self._wake()

    def turn(self) -> float:
        """Write what waits; return the seconds until the next call. Raises PodupError: it then waits on."""
        waiting = dict(self._waiting)
        if waiting:
            with self._store.write() as cx:
                for token_id, used_s in waiting.items():
                    tokens.used(cx, token_id, now_s=used_s)
            for token_id in waiting:
                self._waiting.pop(token_id, None)
        return _FOR_EVER_S
