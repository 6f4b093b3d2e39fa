"""What the program did, as rows: collected in memory and stored together, never one commit a request.

An event is stored within a second of being recorded, or in the very transaction of the work it is about
(`write`). Floods are counts, one row a minute and kind. What cannot be stored at the end of the process
(the disk is full, an update is under way) waits in a file and is taken in at the next start. Memory is
bounded: what finds no room is counted as `not-kept`.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from podup.clock import Clock
from podup.core.secrets import Redactor
from podup.errors import PodupError
from podup.files import durable_write, remove
from podup.records import asdict
from podup.store import events
from podup.store.db import Connection, Store
from podup.store.events import Event

MAX_WAITING = 20_000
STORE_EVERY_S = 1.0
COUNTS_EVERY_S = 60.0
NOT_KEPT = "not-kept"


class EventLog:
    """Collects events and counts from any thread; `turn` stores them, `left` keeps what could not be."""

    def __init__(self, store: Store, clock: Clock, redactor: Redactor, *, left: Path) -> None:
        self._store = store
        self._clock = clock
        self._redactor = redactor
        self._left = left
        self._guard = threading.Lock()
        self._waiting: list[Event] = []
        self._counts: Counter[str] = Counter()
        self._stored_s = -STORE_EVERY_S
        self._counted_s = clock.monotonic()
        self._is_called = False
        self._call: Callable[[], None] = _nothing
        self.trouble: PodupError | None = None  # why the database takes no write, until it takes one again

    def use(self, call: Callable[[], None]) -> None:
        """Call this, at most once a `turn`, when there is something to do."""
        self._call = call

    def record(self, event: Event) -> None:
        """Store the event soon; secrets in it are masked."""
        with self._guard:
            if len(self._waiting) >= MAX_WAITING:
                self._counts[NOT_KEPT] += 1
                return
            self._waiting.append(event)
        self.announce()

    def count(self, kind: str) -> None:
        """Count one of what would fill the disk as rows."""
        with self._guard:
            self._counts[kind] += 1

    def write(self, cx: Connection, happened: Sequence[Event]) -> None:
        """Store events in the transaction of the work they are about; `announce` once it is committed."""
        events.insert(cx, [self._clean(event) for event in happened])

    def announce(self) -> None:
        """Let `turn` be called soon: there is something to store, or to show to watchers."""
        if not self._is_called:
            self._is_called = True
            self._call()

    def turn(self) -> float:
        """Store what waits, at most once a second; return the seconds until the next call."""
        now_s = self._clock.monotonic()
        if self._is_called:
            early_s = self._stored_s + STORE_EVERY_S - now_s
            if early_s > 0:
                return early_s
        if self._is_called or now_s - self._counted_s >= COUNTS_EVERY_S:
            self._is_called = False
            self._stored_s = self._counted_s = now_s
            if not self.flush():
                self._is_called = True
                return STORE_EVERY_S
        return COUNTS_EVERY_S

    def flush(self) -> bool:
        """Store what waits now; False, and it waits on, when the database takes no write."""
        with self._guard:
            waiting, self._waiting = self._waiting, []
            counts, self._counts = self._counts, Counter()
        if not waiting and not counts:
            return True
        try:
            with self._store.write() as cx:
                self.write(cx, waiting)
                events.add_counts(cx, counts, now_s=self._clock.now())
        except PodupError as error:
            self.trouble = None if error.code == "maintenance" else error
            # Told where it arises: health says that the database takes no write. Nothing is lost meanwhile.
            with self._guard:
                self._waiting = [*waiting, *self._waiting]
                self._counts.update(counts)
            return False
        self.trouble = None
        return True

    def close(self) -> None:
        """Store everything, in the file where the database takes no write. Raises Unavailable."""
        if self.flush():
            return
        with self._guard:
            waiting, self._waiting = self._waiting, []
        lines = [json.dumps(asdict(self._clean(event))) for event in waiting]
        durable_write(self._left, "\n".join([*self._lines_left(), *lines][:MAX_WAITING]).encode())

    def take_in(self) -> int:
        """Store what the process before could not; return how many events. Raises Unavailable."""
        if not self._left.exists():
            return 0
        lines = self._lines_left()
        kept = [event for line in lines if (event := _read_left(line)) is not None]
        with self._store.write() as cx:
            events.insert(cx, kept)
            events.add_counts(cx, {NOT_KEPT: len(lines) - len(kept)}, now_s=self._clock.now())
        remove(self._left)
        return len(kept)

    def _lines_left(self) -> list[str]:
        """Return what waits in the file: of a process that ended in an update, or of several."""
        if not self._left.exists():
            return []
        return [line for line in self._left.read_text(encoding="utf-8").split("\n") if line]

    def _clean(self, event: Event) -> Event:
        text = self._redactor.text
        return Event(
            event.ts,
            event.request_id,
            event.method,
            text(event.path),
            event.status,
            text(event.action),
            event.duration_ms,
            self._redactor.tree(event.meta),
            event.task_id,
        )


def _read_left(line: str) -> Event | None:
    """Return the event of a line; None for one that another version wrote in a form of its own."""
    try:
        return Event(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _nothing() -> None:
    """Nobody stores by turns: a command without a daemon flushes by itself."""
