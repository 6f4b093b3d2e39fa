"""The rules for a unit as the database and the settings know them, gathered for a task's snapshot."""

from collections.abc import Callable

from podup.recipes.policy import Policy
from podup.records import dataclass
from podup.store import deployments, digests, freezes, services
from podup.store.db import Connection


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
    )


def well_before(cx: Connection, unit: str) -> tuple[str, ...]:
    """Return the digests a unit can go back to, newest first: what ran well, but not what runs or is held."""
    newest, _ = deployments.find(cx, target=unit, outcome="succeeded", per_page=1)
    if not newest:
        return ()
    held = {row.digest for row in digests.quarantined(cx, target=unit)} | {newest[0].to_digest, ""}
    candidates = (newest[0].from_digest, *deployments.good_digests(cx, unit))
    return tuple(dict.fromkeys(digest for digest in candidates if digest not in held))
