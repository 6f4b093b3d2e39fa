"""What the rules say about a unit, as facts: what the database knows, seen by a pure recipe."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from podup.recipes.codec import register
from podup.recipes.verbs import Decision, Plan, Query, refuse, skip
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class PolicyOf(Query):
    """Yields `Policy`."""

    unit: str


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A service with the digests quarantined for it, none perhaps, of which others know nothing."""

    unit: str
    image: str
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that hold for one unit at `now_s` (Unix seconds).

    `quarantined` pairs a digest with the reason; `first_seen` a digest with when it was first seen here;
    `allowed` are patterns of image names (empty: all); `opens_s` is when the maintenance window opens, 0
    when it is open; `previous` are image digests that ran well before, newest first; `held_back` are the
    services of this machine that something is quarantined for (only Podman's own updater needs them all);
    `sharers` are the other services with the same `Image=`: a tag moved for one is moved for them.
    """

    now_s: float
    frozen: str = ""
    needs_operator: str = ""
    quarantined: tuple[tuple[str, str], ...] = ()
    first_seen: tuple[tuple[str, float], ...] = ()
    cooldown_s: float = 0.0
    opens_s: float = 0.0
    allowed: tuple[str, ...] = ()
    previous: tuple[str, ...] = ()
    held_back: tuple[HeldBack, ...] = ()
    sharers: tuple[HeldBack, ...] = ()


def forbid(policy: Policy, *, image: str, digests: Iterable[str], force: bool) -> Plan | None:
    """Return the plan that says which rule stands in the way of deploying `image`, or None.

    `force` passes a freeze, a closed window, the cool-down and the operator's mark, never a quarantine
    and never the list of allowed images.
    """
    if not is_allowed(image, policy.allowed):
        hint = "add it to PODUP_ALLOWED_IMAGES"
        return refuse("image-not-allowed", f"{image} is not among the allowed images", hint)
    known = dict(policy.quarantined)
    held = next((digest for digest in digests if digest in known), "")
    if held:
        why = f"{short(held)} is quarantined: {known[held]}"
        return skip("quarantined", why, f"push a mended image, or release it: quarantine release {held}")
    if force:
        return None
    return _not_now(policy, digests)


def told_sharers(policy: object, digests: Iterable[str]) -> str:
    """Return what it means for other services that a tag stands for these digests now; empty for none."""
    sharers = policy.sharers if isinstance(policy, Policy) else ()
    offered = set(digests)
    told = [
        f"{one.unit} (quarantined for it)" if offered & set(one.digests) else one.unit for one in sharers
    ]
    return f"the next start of {', '.join(told)} runs it too" if told else ""


def is_allowed(image: str, patterns: Collection[str]) -> bool:
    """Return whether the name of an image fits one of the patterns; without any all do."""
    return not patterns or any(fnmatchcase(image, pattern) for pattern in patterns)


def refuse_return(held: HeldBack, offered: Iterable[str]) -> Plan | None:
    """Return the plan that keeps Podman's updater from a digest among `offered`, or None."""
    digest = next((digest for digest in offered if digest in held.digests), "")
    if not digest:
        return None
    why = f"it would deploy what is quarantined for {held.unit}"
    hint = f"push a mended image, deploy the other units by name, or release it: quarantine release {digest}"
    return refuse("quarantined", why, hint)


def _not_now(policy: Policy, digests: Iterable[str]) -> Plan | None:
    if policy.needs_operator:
        why = f"a rollback failed here: {policy.needs_operator}"
        return refuse("needs-operator", why, "mend the service, then deploy it with --force")
    if policy.frozen:
        hint = "`unfreeze` lets it go on, --force passes it once"
        return refuse("frozen", f"frozen: {policy.frozen}", hint)
    if policy.opens_s > policy.now_s:
        return Plan(
            (), Decision.POSTPONE, "window-closed", "outside its maintenance window", "", policy.opens_s
        )
    seen = [at for digest, at in policy.first_seen if digest in set(digests)]
    ready_s = (min(seen) if seen else policy.now_s) + policy.cooldown_s
    if ready_s > policy.now_s:
        return Plan((), Decision.POSTPONE, "cooling-down", "the image is too young", "", ready_s)
    return None


def short(digest: str) -> str:
    """Return a digest as people read it: `sha256:` and twelve letters."""
    algorithm, _, letters = digest.partition(":")
    return f"{algorithm}:{letters[:12]}" if letters else digest


register(PolicyOf, HeldBack, Policy)
