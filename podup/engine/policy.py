"""The rules for a unit as the database and the settings know them, gathered for a task's snapshot."""

from collections.abc import Callable

from podup.core.images import whole_name
from podup.recipes.policy import HeldBack, Policy, refuse_return
from podup.recipes.verbs import Plan
from podup.records import dataclass
from podup.store import deployments, digests, freezes, services
from podup.store.db import Connection

_LOOKED_BACK = 10  # deployments


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say: allowed images, cool-down in seconds, and when a unit's window opens.

    `opens_s` maps a unit and a moment (Unix seconds) to when work on it may start, 0 for at once.
    """

    allowed: tuple[str, ...]
    cooldown_s: Callable[[str], float]
    opens_s: Callable[[str, float], float]


def policy_of(cx: Connection, unit: str, image: str, *, rules: Rules, now_s: float) -> Policy:
    """Return the rules that hold for `unit`, which runs `image`, now."""
    frozen = freezes.frozen(cx, unit)
    mark = services.needing_operator(cx).get(unit)
    return Policy(
        now_s=now_s,
        frozen=(frozen.reason or "without a reason") if frozen else "",
        needs_operator=mark.reason if mark else "",
        quarantined=tuple((row.digest, row.reason) for row in digests.quarantined(cx, target=unit)),
        first_seen=tuple(digests.first_seen(cx, image).items()),
        cooldown_s=rules.cooldown_s(unit),
        opens_s=rules.opens_s(unit, now_s),
        allowed=rules.allowed,
        previous=well_before(cx, unit),
        sharers=_sharers(cx, unit),
    )


def _sharers(cx: Connection, unit: str) -> tuple[HeldBack, ...]:
    """Return the other services whose files name the same image, each with what is quarantined for it."""
    service = services.get(cx, unit)
    name = whole_name(service.image) if service else ""
    return tuple(
        HeldBack(one.unit, one.image, tuple(row.digest for row in digests.quarantined(cx, target=one.unit)))
        for one in services.all_known(cx)
        if name and one.unit != unit and whole_name(one.image) == name
    )


def held_back(cx: Connection) -> tuple[HeldBack, ...]:
    """Return the services with an image that something is quarantined for."""
    digests_of: dict[str, list[str]] = {}
    for row in digests.quarantined(cx):
        digests_of.setdefault(row.target, []).append(row.digest)
    known = (services.get(cx, unit) for unit in digests_of)
    return tuple(
        HeldBack(one.unit, one.image, tuple(digests_of[one.unit])) for one in known if one and one.image
    )


def refuse_auto_update(cx: Connection) -> Plan | None:
    """Return why Podman's own updater is not started now, as far as the last look at the registries tells.

    The task asks the registries itself; this spares one that would only be refused.
    """
    for held in held_back(cx):
        service = services.get(cx, held.unit)
        is_asked = service is not None and service.details.get("auto_update") == "registry"
        refusal = refuse_return(held, (service.remote_digest,)) if service and is_asked else None
        if refusal is not None:
            return refusal
    return None


def well_before(cx: Connection, unit: str) -> tuple[str, ...]:
    """Return the digests a unit can go back to, newest first: what ran well, but not what runs or is held.

    What ran before the first of them counts too: deploying the same image again is no reason to forget it.
    """
    newest, _ = deployments.find(cx, target=unit, outcome=deployments.GOOD, per_page=_LOOKED_BACK)
    if not newest:
        return ()
    held = {row.digest for row in digests.quarantined(cx, target=unit)} | {newest[0].to_digest, ""}
    before = [one.from_digest for one in newest]
    candidates = (before[0], *deployments.good_digests(cx, unit), *before)
    return tuple(dict.fromkeys(digest for digest in candidates if digest not in held))
