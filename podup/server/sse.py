"""Server-sent events without a thread each (HTML standard, 9.2 Server-sent events).

Whoever has news calls `Hub.publish` from any thread; each watcher of the topic has a bounded queue that the
loop sends. A watcher begins with what it missed: `Replay` returns the events after a number, read while the
live ones already wait in line, and what would come twice is left out. Numbers of one topic only grow. A
watcher that lets its queue fill is dropped; its browser comes back with Last-Event-ID and misses nothing.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from podup.errors import Invalid, Unavailable
from podup.records import dataclass
from podup.server.request import Request
from podup.server.response import Response, Wake, dump

QUEUE_BYTES = 512 * 1024
MAX_WATCHERS = 1000
_HEADERS = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("X-Accel-Buffering", "no"),
)
_BEGIN = b"retry: 2000\n\n"
END = "end"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `number` orders those of its topic. The event named `end` is the last one."""

    number: int
    name: str
    data: Any


Replay = Callable[[int], Iterable[Event]]


class Hub:
    """All watchers, by topic."""

    def __init__(self, *, queue_bytes: int = QUEUE_BYTES, max_watchers: int = MAX_WATCHERS) -> None:
        self._lock = threading.Lock()
        self._topics: dict[str, set[Watcher]] = {}
        self._count = 0
        self._queue_bytes = queue_bytes
        self._max_watchers = max_watchers

    def topics(self) -> set[str]:
        """Return the topics somebody watches: nobody else's news need be looked for."""
        with self._lock:
            return set(self._topics)

    def publish(self, topic: str, event: Event) -> None:
        """Give an event to all watchers of a topic; from any thread."""
        with self._lock:
            watchers = tuple(self._topics.get(topic, ()))
        if watchers:
            frame = encode(event)
            for watcher in watchers:
                watcher.push(event, frame)

    def watch(self, topic: str, *, after: int, replay: Replay) -> "Watcher":
        """Return a watcher of the events of `topic` numbered above `after`.

        `replay(after)` is called in this thread. Raises Unavailable when there are too many watchers.
        """
        watcher = Watcher(self, topic, after=after, queue_bytes=self._queue_bytes)
        with self._lock:
            if self._count >= self._max_watchers:
                raise Unavailable("too-many-watchers", "too many pages are watching", retry_after_s=30)
            self._count += 1
            self._topics.setdefault(topic, set()).add(watcher)
        try:
            watcher.begin(replay(after))
        except BaseException:
            watcher.close()
            raise
        return watcher

    def respond(self, topic: str, *, after: int, replay: Replay) -> Response:
        """Return the answer that streams a topic, beginning with what comes after that number."""
        return Response(200, _HEADERS, _BEGIN, self.watch(topic, after=after, replay=replay))

    def leave(self, topic: str, watcher: "Watcher") -> None:
        """Forget a watcher."""
        with self._lock:
            group = self._topics.get(topic)
            if group is None or watcher not in group:
                return
            group.discard(watcher)
            self._count -= 1
            if not group:
                del self._topics[topic]


class Watcher:
    """One stream: what waits to be sent, and the number up to which it was replayed."""

    def __init__(self, hub: Hub, topic: str, *, after: int, queue_bytes: int) -> None:
        self._hub = hub
        self._topic = topic
        self._queue_bytes = queue_bytes
        self._lock = threading.Lock()
        self._early: list[tuple[Event, bytes]] | None = []
        self._queue = bytearray()
        self._number = after
        self._is_last_in = False
        self._is_dropped = False
        self._wake: Wake | None = None

    @property
    def is_over(self) -> bool:
        with self._lock:
            return self._is_dropped or (self._is_last_in and not self._queue)

    def begin(self, missed: Iterable[Event]) -> None:
        """Put what was missed before what has come since."""
        old = [(event, encode(event)) for event in missed]
        with self._lock:
            early, self._early = self._early or [], None
            for event, frame in old:
                self._add(event, frame, is_bounded=False)
            for waiting, frame in early:
                self._add(waiting, frame)

    def push(self, event: Event, frame: bytes) -> None:
        """Add a live event, encoded once for all watchers."""
        with self._lock:
            if self._early is not None:
                self._early.append((event, frame))
                return
            was_quiet = not self._queue
            self._add(event, frame)
            wake = self._wake if was_quiet or self._is_dropped else None
        if wake is not None:
            wake()

    def attach(self, wake: Wake) -> None:
        with self._lock:
            self._wake = wake

    def take(self) -> bytes:
        with self._lock:
            if self._is_dropped:
                return b""
            data = bytes(self._queue)
            self._queue.clear()
            return data

    def close(self) -> None:
        self._hub.leave(self._topic, self)

    def _add(self, event: Event, frame: bytes, *, is_bounded: bool = True) -> None:
        if self._is_last_in or self._is_dropped or event.number <= self._number:
            return
        if is_bounded and len(self._queue) + len(frame) > self._queue_bytes:
            self._is_dropped = True
            return
        self._number = event.number
        self._is_last_in = event.name == END
        self._queue += frame


def encode(event: Event) -> bytes:
    """Return the bytes of an event; its data is JSON on one line."""
    return f"id: {event.number}\nevent: {event.name}\ndata: ".encode() + dump(event.data) + b"\n"


def last_event_id(request: Request) -> int:
    """Return the number a watcher has seen: of its header, else of the query. Raises Invalid."""
    said = request.header("last-event-id") or request.query_one("last_event_id")
    if not said:
        return 0
    if not (said.isascii() and said.isdigit() and len(said) <= 16):
        raise Invalid("bad-event-id", "Last-Event-ID is not a number this program gave")
    return int(said)
