"""The inbox of webhooks: which rules a delivery meets, and the task it becomes.

`check` is pure and cheap and runs before anything is stored: signature, form, what the event is.
`accept` takes the checked delivery inside a write transaction and inserts the delivery and, when every rule
agrees, one task, or lets it join the one that waits already. Every rule says something; `explain` shows it
later. The same thing again is a duplicate while it is pending, running or succeeded, and a new attempt after
a failure. The limit of an image counts deployments: a delivery that joins a task does not use it up.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

from podup.clock import Clock
from podup.core.images import ImageRef, parse_ref
from podup.core.secrets import Secret
from podup.core.signatures import SignatureState, check_signature
from podup.core.states import Status, Trigger, new_id
from podup.core.units import unit_name
from podup.core.webhooks import (
    Ignored,
    Matched,
    PackageEvent,
    Ping,
    match,
    read_event,
    read_generic,
    unwrap_body,
)
from podup.engine.intake import Intake, Intent
from podup.errors import NotFound, PodupError, RateLimited, Refused, Unauthorized, Unavailable
from podup.recipes.codec import encode
from podup.recipes.refusals import no_image
from podup.records import dataclass, field
from podup.store import deliveries, digests, limits, services, tasks
from podup.store.db import Connection
from podup.store.deliveries import Delivery, Rule
from podup.store.services import Service

DUPLICATE_WINDOW_S = 3 * 86400.0
_SEEN_BEFORE = "this delivery was taken before; a push is told from another by its digest or delivery id"
_NEEDLESS = ("up-to-date", "nothing-to-do", "quarantined")
_SIGNATURE_SAYS = {
    SignatureState.MISSING: "missing",
    SignatureState.MALFORMED: "malformed, sha256= and 64 hex digits are wanted",
    SignatureState.MISMATCH: "wrong",
}

_SIGNATURE_MATCHES = Rule("signature", True, "the signature matches")


@dataclass(frozen=True, slots=True)
class Knock:
    """A webhook request: the unit of its path, its headers and its raw body."""

    unit: str
    body: bytes
    event: str = ""
    delivery_id: str = ""
    signature: str = ""
    generic_signature: str = ""
    content_type: str = ""
    request_id: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A knock whose signature matched, and what its body says."""

    knock: Knock
    unit: str
    body_hash: str
    says: PackageEvent | Ignored | Ping


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a knock: an HTTP status with a body, or the error that answers it.

    `is_new`: the task is a new one, which somebody has to start.
    """

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    task_id: str = ""
    error: PodupError | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class InboxRules:
    """What is configured: the secrets (a unit's own win), the limit per image, parameters of a deployment."""

    secrets: Sequence[Secret]
    unit_secrets: Mapping[str, Sequence[Secret]]
    limit_count: int
    limit_window_s: float
    intent_of: Callable[[Service], Intent]


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a delivery, and what each rule said on the way."""

    outcome: str
    reason: str
    reply: Reply
    rules: tuple[Rule, ...] = ()


class _Seen:
    """What one transaction has looked up: nobody else writes meanwhile, so it stays true until its end."""

    def __init__(self, cx: Connection, now_s: float) -> None:
        self.cx = cx
        self.now_s = now_s
        self._services: dict[str, Service | None] = {}
        self.waiting: dict[str, str] = {}  # the task a push to this unit joins

    def service(self, unit: str) -> Service | None:
        """Return the unit, looked up once."""
        if unit not in self._services:
            self._services[unit] = services.get(self.cx, unit)
        return self._services[unit]


class Inbox:
    """Turns webhooks into tasks.

    `stranger_count` grows with every signed webhook for a unit nobody knows: it may be new on this machine.
    """

    def __init__(
        self, rules: InboxRules, intake: Intake, clock: Clock, *, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._rules = rules
        self._intake = intake
        self._clock = clock
        self.stranger_count = 0
        self._random_bytes = random_bytes
        self._wanted: dict[str, tuple[Service, Intent, str]] = {}

    def check(self, knock: Knock) -> Checked:
        """Check signature and form, without touching anything.

        Raises Unavailable without a secret, Unauthorized for a wrong signature, Invalid for a bad body.
        """
        unit = unit_name(knock.unit)
        signed = knock.signature or knock.generic_signature
        secrets = self._rules.unit_secrets.get(unit) or self._rules.secrets
        state = check_signature(signed or None, knock.body, secrets)
        if state is SignatureState.UNSET:
            hint = "set PODUP_GH_WEBHOOK_SECRET to the secret of the webhook's settings at GitHub"
            raise Unavailable("no-webhook-secret", "no webhook secret is configured", hint)
        if state is not SignatureState.GOOD:
            hint = "is the secret the same on both sides, and is the body sent unchanged?"
            raise Unauthorized(
                f"signature-{state}", f"the signature is {_SIGNATURE_SAYS[state]}", hint
            )
        body_hash = hashlib.sha256(knock.body).hexdigest()
        if not knock.signature:
            return Checked(knock, unit, body_hash, read_generic(knock.body))
        body = unwrap_body(knock.body, knock.content_type)
        return Checked(knock, unit, body_hash, read_event(knock.event or None, body))

    def accept(self, cx: Connection, checked: Checked, *, replay_of: str = "") -> Reply:
        """Store the delivery and what becomes of it, in the caller's transaction; never raises for a rule."""
        return self._take(_Seen(cx, self._clock.now()), checked, replay_of)

    def accept_all(self, cx: Connection, arrived: Sequence[Checked]) -> list[Reply]:
        """`accept` for deliveries that came together, in their order; what they share is looked up once."""
        seen = _Seen(cx, self._clock.now())
        return [self._take(seen, checked, "") for checked in arrived]

    def _take(self, seen: _Seen, checked: Checked, replay_of: str) -> Reply:
        if isinstance(checked.says, Ping):
            return Reply(200, {"status": "pong"})
        service = seen.service(checked.unit)
        if service is None:
            self.stranger_count += 1
            hint = "this machine is looked through again now: deliver it again, and see `services`"
            error = NotFound("unit-not-found", f"{checked.unit} is not a unit managed here", hint)
            return Reply(error.status, error=error)
        decision = self._decide(seen, checked, service, is_replay=bool(replay_of))
        deliveries.insert(seen.cx, self._row(checked, decision, replay_of, now_s=seen.now_s))
        return decision.reply

    def decide(
        self,
        cx: Connection,
        checked: Checked,
        service: Service,
        *,
        is_replay: bool = False,
        dry_run: bool = False,
    ) -> Decision:
        """Ask every rule in turn; the first that objects decides. On a dry run no task is made."""
        seen = _Seen(cx, self._clock.now())
        return self._decide(seen, checked, service, is_replay=is_replay, dry_run=dry_run)

    def _decide(
        self,
        seen: _Seen,
        checked: Checked,
        service: Service,
        *,
        is_replay: bool = False,
        dry_run: bool = False,
    ) -> Decision:
        passed = [_SIGNATURE_MATCHES]
        for name, rule in (
            ("event", self._about_event),
            ("image", self._about_image),
            ("duplicate", self._about_duplicate),
            ("quarantine", self._about_quarantine),
            ("waiting", self._about_waiting),
            ("limit", self._about_limit),
        ):
            if is_replay and name == "duplicate":
                continue
            said = rule(seen, checked, service)
            if isinstance(said, Decision):
                is_stopped = said.outcome != "accepted"
                rules = (*passed, Rule(name, not is_stopped, said.reason))
                return Decision(said.outcome, said.reason, said.reply, rules)
            passed.append(Rule(name, True, said))
        if dry_run:
            return Decision("accepted", "would be deployed", Reply(202), tuple(passed))
        return self._submit(seen, checked, service, tuple(passed))

    def _about_event(self, seen: _Seen, checked: Checked, service: Service) -> str | Decision:
        if isinstance(checked.says, Ignored):
            return _ignored(checked.says.code, checked.says.reason)
        return "an image was pushed"

    def _about_image(self, seen: _Seen, checked: Checked, service: Service) -> str | Decision:
        if not isinstance(checked.says, PackageEvent):
            return "not about an image"
        found = match(checked.says, _image_of(service))
        if isinstance(found, Matched):
            return f"{found.image} is what {service.unit} runs"
        if found.code == "image-unknown":
            reason, hint = no_image(str(service.details.get("kind", "")))
            error = Refused(found.code, f"{service.unit} is not touched: {reason}", hint)
            return Decision("refused", reason, Reply(error.status, error=error))
        return _ignored("tag mismatch", found.reason)

    def _about_duplicate(self, seen: _Seen, checked: Checked, service: Service) -> str | Decision:
        since_s = seen.now_s - DUPLICATE_WINDOW_S
        earlier = deliveries.find_same(
            seen.cx,
            checked.unit,
            delivery_id=checked.knock.delivery_id,
            body_hash=checked.body_hash,
            since_s=since_s,
        )
        if earlier is None or earlier.task_status is None:
            return "not seen before"
        task_id, status = earlier.task_id, earlier.task_status
        if status is Status.ROLLED_BACK:
            body = {"status": "skipped", "reason": "quarantined", "task_id": task_id}
            return Decision("skipped", "quarantined: it was rolled back before", Reply(202, body, task_id))
        if not status.is_final or status is Status.SUCCEEDED or _was_needless(seen.cx, earlier):
            body = {"status": "duplicate", "reason": _SEEN_BEFORE, "task_id": task_id}
            return Decision("duplicate", f"the same as task {task_id}, {status}", Reply(200, body, task_id))
        return f"task {task_id} was {status}; this is a new attempt"

    def _about_quarantine(self, seen: _Seen, checked: Checked, service: Service) -> str | Decision:
        digest = checked.says.digest if isinstance(checked.says, PackageEvent) else None
        held = digests.held(seen.cx, service.unit, digest) if digest else None
        if held is None:
            return "not quarantined"
        reason = f"quarantined: {held.reason}"
        return Decision("skipped", reason, Reply(202, {"status": "skipped", "reason": reason}))

    def _about_waiting(self, seen: _Seen, checked: Checked, service: Service) -> str | Decision:
        """A task that wants the same and has not begun will see the newest image anyway."""
        if service.unit not in seen.waiting:
            try:
                intent, params = self._intent_of(service)
            except Refused as error:
                return Decision("refused", error.message, Reply(error.status, error=error))
            waiting = tasks.waiting(seen.cx, intent.kind, intent.unit, params)
            if not waiting:
                return "no task waits"
            seen.waiting[service.unit] = waiting
        task_id = seen.waiting[service.unit]
        reply = Reply(202, {"status": "accepted", "task_id": task_id}, task_id)
        return Decision("accepted", f"task {task_id} has not begun and will deploy the newest", reply)

    def _about_limit(self, seen: _Seen, checked: Checked, service: Service) -> str | Decision:
        image = checked.says.image if isinstance(checked.says, PackageEvent) else ""
        window = limits.Window(self._rules.limit_count, self._rules.limit_window_s)
        wait_s = limits.wait(seen.cx, _bucket(image), (window,), now_s=seen.now_s)
        if not wait_s:
            return "within the limit of its image"
        says = f"{image} was deployed {window.count} times in {window.window_s:.0f} s"
        error = RateLimited(
            "image-limit", says, "GitHub can deliver it again later", retry_after_s=ceil(wait_s)
        )
        return Decision("limited", says, Reply(429, error=error))

    def _submit(
        self, seen: _Seen, checked: Checked, service: Service, rules: tuple[Rule, ...]
    ) -> Decision:
        knock = checked.knock
        trigger = Trigger("webhook", knock.request_id, knock.path, "github", knock.event)
        task = self._intake.submit(seen.cx, self._intent_of(service)[0], trigger)
        seen.waiting[service.unit] = task.id
        if isinstance(checked.says, PackageEvent):
            limits.record(seen.cx, _bucket(checked.says.image), now_s=seen.now_s)
        reply = Reply(202, {"status": "accepted", "task_id": task.id}, task.id, is_new=True)
        return Decision("accepted", "a new task", reply, (*rules, Rule("task", True, "a new task")))

    def _intent_of(self, service: Service) -> tuple[Intent, str]:
        """Return what a push to a unit leads to, and its parameters as a task's row holds them.

        Kept as long as nothing else is known of the unit. Raises Refused.
        """
        known = self._wanted.get(service.unit)
        if known is None or known[0] is not service:
            intent = self._rules.intent_of(service)
            known = self._wanted[service.unit] = service, intent, tasks.text_of(encode(intent.params))
        return known[1], known[2]

    def _row(self, checked: Checked, decision: Decision, replay_of: str, *, now_s: float) -> Delivery:
        event = checked.says if isinstance(checked.says, PackageEvent) else None
        return Delivery(
            id=new_id("dlv", self._random_bytes, now_s),
            received_at=now_s,
            target=checked.unit,
            delivery_id=checked.knock.delivery_id,
            body_hash=checked.body_hash,
            sender="github" if checked.knock.signature else "generic",
            event=checked.knock.event,
            action=event.action if event else "",
            image=event.image if event else "",
            tags=event.tags if event else (),
            digest=(event.digest or "") if event else "",
            outcome=decision.outcome,
            reason=decision.reason,
            rules=decision.rules,
            request_id=checked.knock.request_id,
            task_id=decision.reply.task_id,
            replay_of=replay_of,
        )


def _was_needless(cx: Connection, earlier: Delivery) -> bool:
    """Return whether its task was skipped for good; what a rule refused may be mended by now."""
    task = tasks.get(cx, earlier.task_id) if earlier.task_status is Status.SKIPPED else None
    return earlier.task_status is Status.SKIPPED and (task is None or task.code in _NEEDLESS)


def _bucket(image: str) -> str:
    return f"image:{image}"


def _image_of(service: Service) -> ImageRef | None:
    return parse_ref(service.image) if service.image else None


def _ignored(reason: str, says: str) -> Decision:
    return Decision("ignored", says, Reply(202, {"status": "ignored", "reason": reason, "message": says}))
