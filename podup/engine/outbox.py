"""Telling people: what happened becomes messages in the transaction that made it true, and is then sent.

Repeated failures of one thing are one message, and its recovery one more; what makes a failure the same is
the unit, how it ended and the digest or the reason. Sending is retried with growing pauses and survives
restarts; a message may be sent twice when a crash falls between the sending and its note.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from podup.clock import Clock
from podup.core.states import Status
from podup.engine.record import Outcome
from podup.errors import PodupError
from podup.recipes.policy import short
from podup.records import dataclass
from podup.store import outbox
from podup.store.db import Connection, Store
from podup.store.outbox import Message
from podup.store.tasks import Task

NEEDS_OPERATOR = "needs_operator"
RECOVERED = "recovered"
_FIRST_PAUSE_S = 30.0
_LONGEST_PAUSE_S = 3600.0
_MOST_TRIES = 20
_IDLE_S = 300.0


class Channel(Protocol):
    """A way messages go out."""

    name: str

    def wants(self, event: str, unit: str) -> bool:
        """Return whether this event of this unit goes out here."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Send; raises PodupError when it did not arrive, with `retry_after_s` when the other side says."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell: `event` is a word channels choose by, `title` and `text` are for people."""

    event: str
    title: str
    text: str
    unit: str = ""
    task_id: str = ""
    facts: Mapping[str, Any] | None = None


class Outbox:
    """Makes messages, in the caller's transaction, and sends them; `turn` belongs to one thread."""

    def __init__(self, store: Store, clock: Clock, channels: Sequence[Channel]) -> None:
        self._store = store
        self._clock = clock
        self._channels = {channel.name: channel for channel in channels}
        self.has_news = False

    def task_ended(self, cx: Connection, task: Task, outcome: Outcome, now_s: float) -> None:
        """Tell how a task ended when it is news; for the transaction that ends it."""
        thing = task.unit or task.kind
        if task.dry_run:
            return
        if outcome.status is Status.SUCCEEDED:
            self.recovered(cx, thing, f"{task.kind}: {outcome.summary}", task_id=task.id, now_s=now_s)
        if not outcome.status.is_trouble:
            return
        event, digest = str(outcome.status), _digest(outcome)
        if any(item.what == "needs-operator" for item in outcome.remember):
            event = NEEDS_OPERATOR
        title = f"{thing} {_SAYS.get(event, event)}"
        text = outcome.summary + (f" ({short(digest)})" if digest else "")
        facts = {"kind": task.kind, "status": str(outcome.status), "code": outcome.code, "digest": digest}
        notice = Notice(event, title, text, task.unit, task.id, {**facts, "source": task.trigger.source})
        self.failed(cx, f"{thing} {event} {digest or outcome.code}", notice, now_s=now_s)

    def failed(self, cx: Connection, key: str, notice: Notice, *, now_s: float) -> bool:
        """Tell of a failure unless it is the same again; `key` begins with the thing and a space."""
        if outbox.fail_again(cx, key, now_s=now_s).count > 1:
            return False
        self.tell(cx, notice, now_s=now_s)
        return True

    def lasts(self, cx: Connection, key: str, notice: Notice, *, now_s: float, every_s: float) -> bool:
        """Tell of a state that lasts: now, and again `every_s` after it was told. Called while it lasts."""
        known = outbox.incident(cx, key)
        if known is not None and 0 <= now_s - known.last_at < every_s:
            return False
        outbox.fail_again(cx, key, now_s=now_s)
        self.tell(cx, notice, now_s=now_s)
        return True

    def recovered(
        self,
        cx: Connection,
        thing: str,
        text: str,
        *,
        now_s: float,
        task_id: str = "",
        kinds: tuple[str, ...] = ("",),
    ) -> bool:
        """Tell that a thing is well again if it was not; its failures end with that, or some `kinds` of them.

        A kind is how the key goes on after the thing.
        """
        begins = tuple(f"{thing} {kind}" for kind in kinds)
        over = [one for one in outbox.incidents(cx) if one.key.startswith(begins)]
        for incident in over:
            outbox.recover(cx, incident.key)
        if over:
            since_s, count = min(one.opened_at for one in over), sum(one.count for one in over)
            facts = {"failures": count, "since": since_s}
            unit = thing if "." in thing else ""
            notice = Notice(RECOVERED, f"{thing} is well again", text, unit, task_id, facts)
            self.tell(cx, notice, now_s=now_s)
        return bool(over)

    def tell(self, cx: Connection, notice: Notice, *, now_s: float) -> None:
        """Put a message into the box of every channel that wants it."""
        message = {
            "event": notice.event,
            "title": notice.title,
            "text": notice.text,
            "unit": notice.unit,
            "task_id": notice.task_id,
            "at": now_s,
            **(notice.facts or {}),
        }
        for channel in self._channels.values():
            if channel.wants(notice.event, notice.unit):
                outbox.put(cx, channel.name, event=notice.event, message=message, now_s=now_s)
                self.has_news = True

    def turn(self) -> float:
        """Send what is due; return the seconds after which to call again."""
        with self._store.write() as cx:  # a message that is being put in now is seen, or is news afterwards
            self.has_news = False
            waiting = outbox.due(cx, self._clock.now())
        for message in waiting:
            self._deliver(message)
        with self._store.read() as cx:
            due_s = outbox.next_due(cx)
        return _IDLE_S if due_s is None else min(max(due_s - self._clock.now(), 0.0), _IDLE_S)

    def _deliver(self, message: Message) -> None:
        channel, trouble = self._channels.get(message.channel), ""
        pause_s: float | None = min(_FIRST_PAUSE_S * 2**message.tries, _LONGEST_PAUSE_S)
        if channel is None:
            trouble, pause_s = "this channel is not configured any more", None
        else:
            try:
                channel.send(message.message)
            except PodupError as error:
                trouble = error.message
                pause_s = max(float(error.retry_after_s or 0), pause_s or 0.0)
                pause_s = None if message.tries + 1 >= _MOST_TRIES else pause_s
        now_s = self._clock.now()
        with self._store.write() as cx:
            if not trouble:
                outbox.sent(cx, message.id, now_s=now_s)
            else:
                next_s = None if pause_s is None else now_s + pause_s
                outbox.failed(cx, message.id, error=trouble, next_try_at=next_s)


_SAYS = {
    "rolled_back": "was rolled back",
    "failed": "failed",
    "unknown": "could not be judged",
    "interrupted": "was interrupted",
    NEEDS_OPERATOR: "needs an operator",
}


def _digest(outcome: Outcome) -> str:
    held = (item.values.get("digest", "") for item in outcome.remember if item.what == "quarantine")
    return str(next(held, ""))
