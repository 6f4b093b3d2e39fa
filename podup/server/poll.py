"""Waiting for sockets: epoll(7), level-triggered, with one callback a descriptor.

What `selectors` does, without its objects for every event: a webhook of a lone client spends less here than
in one system call.
"""

import select
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
_BOTH = READ | WRITE

OnEvent = Callable[[int], None]


class Poll:
    """Descriptors and what is called for them; `OnEvent` hears READ, WRITE or both."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, tuple[int, OnEvent]] = {}

    def watch(self, fd: int, interest: int, on_event: OnEvent) -> None:
        """Call `on_event` for these events from now on."""
        if fd in self._watched:
            self._epoll.modify(fd, interest)
        else:
            self._epoll.register(fd, interest)
        self._watched[fd] = interest, on_event

    def forget(self, fd: int) -> None:
        """Call nothing for it any more; to be told before it is closed."""
        del self._watched[fd]
        self._epoll.unregister(fd)

    def wait(self, timeout_s: float | None) -> list[tuple[OnEvent, int]]:
        """Return the callbacks that are due, with their events, once there are any or the time is over.

        Errors and hang-ups are events of the kind that is waited for: reading or writing tells which.
        """
        due = []
        for fd, events in self._epoll.poll(timeout_s, max(1, len(self._watched))):
            interest, on_event = self._watched[fd]
            due.append((on_event, (events if not events & ~_BOTH else _BOTH) & interest))
        return due

    def close(self) -> None:
        """End it; the descriptors stay open."""
        self._epoll.close()
