"""Deliveries once more: as they were stored, or as somebody makes them up; to be redone, or only judged.

The inbox keeps no body: a replay takes the facts of the stored row (image, tags, digest), which a signature
had covered when they came.
"""

import hashlib
import json
from typing import Any

from podup.core.units import unit_name
from podup.core.webhooks import Ignored, PackageEvent, Ping, read_event, read_generic
from podup.engine.inbox import Checked, Decision, Inbox, Knock
from podup.errors import Invalid, NotFound, Refused
from podup.records import replace
from podup.store import services
from podup.store.db import Connection
from podup.store.deliveries import Delivery

_STORED = "stored"


def stored(delivery: Delivery, *, request_id: str = "", path: str = "") -> Checked:
    """Return a delivery as it was when its signature had matched. Raises Refused for one without an image."""
    if not delivery.image:
        says = f"delivery {delivery.id} named no image: {delivery.reason or delivery.outcome}"
        raise Refused("nothing-to-replay", says, "only deliveries about an image can be replayed")
    is_github = delivery.sender == "github"
    knock = Knock(
        unit=delivery.target,
        body=b"",
        event=delivery.event,
        delivery_id=delivery.delivery_id,
        signature=_STORED if is_github else "",
        generic_signature="" if is_github else _STORED,
        request_id=request_id,
        path=path,
    )
    event = delivery.event or "generic"
    says_now = PackageEvent(
        delivery.image, delivery.tags, delivery.digest or None, event, delivery.action or "published"
    )
    return Checked(knock, delivery.target, delivery.body_hash, says_now)


def made_up(unit: str, event: str, payload: Any) -> Checked:
    """Return what a delivery with this JSON body would be; no event means the plain kind. Raises Invalid."""
    if not isinstance(payload, dict):
        raise Invalid("bad-field", "the payload has to be an object")
    body = json.dumps(payload).encode()
    says = read_event(event, body) if event else read_generic(body)
    target = unit_name(unit)
    return Checked(Knock(target, body, event), target, hashlib.sha256(body).hexdigest(), says)


def judge(cx: Connection, inbox: Inbox, checked: Checked, *, is_replay: bool = False) -> Decision:
    """Return what the rules say of a delivery now, without any effect. Raises NotFound for the unit."""
    service = services.get(cx, checked.unit)
    if service is None:
        raise NotFound("unit-not-found", f"{checked.unit} is not a unit managed here", "see `services`")
    if isinstance(checked.says, Ping):
        checked = replace(checked, says=Ignored("ping", "it only says hello"))
    return inbox.decide(cx, checked, service, is_replay=is_replay, dry_run=True)
