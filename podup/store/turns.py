"""A lock that serves its waiters in the order they came, so a long prune cannot starve a webhook."""

import threading
from collections import deque
from types import TracebackType


class Turns:
    """A fair mutex, used as a context manager. Taking it twice in one thread raises RuntimeError."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._owner: int | None = None

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._guard:
            if self._owner is None:
                self._owner = me
                return
            if self._owner == me:
                raise RuntimeError("a write inside a write of the same thread would wait for itself")
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()
        except BaseException:  # a signal's exception: step out of the queue, or hand the turn on
            with self._guard:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                    raise
            self.leave()
            raise
        self._owner = me

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Let the next in; what leaving the block does."""
        with self._guard:
            if self._waiting:
                self._owner = -1  # nobody's, until the one whose turn it is wakes up
                self._waiting.popleft().release()
            else:
                self._owner = None
