"""Where a change of a stack goes: which version, which images that takes, and where old ones are kept."""

from podup.core.compose import Composition
from podup.core.images import parse_ref
from podup.core.stack_map import Stack
from podup.core.states import Status
from podup.errors import Invalid
from podup.recipes.codec import register
from podup.recipes.stack_facts import (
    CompositionOf,
    EnvFile,
    EnvFileOf,
    HistoryOf,
    ProofOf,
    Proven,
    ServedOf,
    StackContainers,
    StackContainersOf,
    StackHistory,
    StackImage,
    StackImageOf,
)
from podup.recipes.verbs import Facts, Query, Remember
from podup.records import dataclass

PROBE_VERSION = "podup-probe"


@dataclass(frozen=True, slots=True)
class StackParams:
    """`version` to go to; a rollback without one goes to the newest that ran well and is not the current.

    `skip_smoke` and `force` are put on record with `reason`; `dumps` false leaves the databases out of
    the backup that a rollback makes first. `instead_of` is the version the stack has to be at still.
    """

    stack: Stack
    version: str = ""
    force: bool = False
    skip_smoke: bool = False
    reason: str = ""
    dumps: bool = True
    instead_of: str = ""


def history_line(stack: Stack, action: str, version: str, outcome: str, *, notes: str = "") -> Remember:
    """Return a line of the deployment history for a task's `outcome`; the notes say why."""
    values = {"stack": stack.name, "env": stack.env, "action": action, "version": version}
    status = "success" if outcome == "succeeded" else "fail"
    return Remember("stack-history", {**values, "status": status, "notes": notes})


def has_ended(outcome: str) -> bool:
    """Return whether a task got to do something; the code of a refusal is none of these outcomes."""
    return outcome in (*Status, "rollback-failed")


def current_version(p: StackParams, seen: Facts) -> str:
    """Return the version `.env` names, empty when that is not known."""
    env = seen.get(EnvFileOf(p.stack.name))
    return env.version if isinstance(env, EnvFile) else ""


def goal_version(p: StackParams, seen: Facts) -> str:
    """Return the version to go to; empty when there is none."""
    if p.version:
        return p.version
    history = seen.get(HistoryOf(p.stack.name))
    good = history.good if isinstance(history, StackHistory) else ()
    return next((version for version in good if version != current_version(p, seen)), "")


def goal(p: StackParams, seen: Facts) -> Composition | None:
    """Return the composition to go to, None while or because it is not known."""
    version = goal_version(p, seen)
    found = seen.get(CompositionOf(p.stack.name, version)) if version else None
    return found if isinstance(found, Composition) else None


def versioned(p: StackParams, seen: Facts) -> dict[str, str]:
    """Return service -> image for the services whose image follows the version."""
    wanted, probe = goal(p, seen), seen.get(CompositionOf(p.stack.name, PROBE_VERSION))
    if wanted is None or not isinstance(probe, Composition):
        return {}
    other = {service.name: service.image for service in probe.services}
    return {
        service.name: service.image
        for service in wanted.services
        if service.image and other.get(service.name) != service.image
    }


def kept_name(stack: Stack, service: str, version: str) -> str:
    """Return the tag of ours that keeps the image of a service at a version."""
    return f"{kept_prefix(stack)}{service}:{version or 'unnamed'}"


def kept_prefix(stack: Stack) -> str:
    """Return what all tags that keep images of this stack begin with."""
    return f"localhost/podup/stack-{stack.name}/"


def image_queries(p: StackParams, seen: Facts) -> tuple[Query, ...]:
    """Return the local images that matter: of the goal and of what runs."""
    wanted = goal(p, seen)
    if wanted is None:
        return ()
    names = [service.image for service in wanted.services if service.image]
    running = seen.get(StackContainersOf(p.stack.name))
    if isinstance(running, StackContainers):
        names += [item.state.image_ref for item in running.items if item.state.image_ref]
    return tuple(StackImageOf(name) for name in dict.fromkeys(names))


def kept_queries(p: StackParams, seen: Facts) -> tuple[Query, ...]:
    """Return the images kept for the goal."""
    version = goal_version(p, seen)
    return tuple(StackImageOf(kept_name(p.stack, service, version)) for service in versioned(p, seen))


def served_queries(p: StackParams, seen: Facts, *, asks_registry: bool) -> tuple[Query, ...]:
    """Return the images a registry is asked for: those of the version, and any that is not here."""
    wanted = goal(p, seen)
    if wanted is None:
        return ()
    follow = versioned(p, seen)
    names = []
    for service in wanted.services:
        kept = kept_name(p.stack, service.name, goal_version(p, seen))
        is_here = bool(image_id(seen, service.image) or image_id(seen, kept))
        is_asked_for = service.name in follow and asks_registry
        if service.image and not service.builds and (is_asked_for or not is_here):
            names.append(service.image)
    return tuple(ServedOf(name) for name in dict.fromkeys(names))


def image_id(seen: Facts, ref: str) -> str:
    """Return the id of the local image `ref` stands for, empty when there is none."""
    found = seen.get(StackImageOf(ref))
    return found.id if isinstance(found, StackImage) else ""


def digests(p: StackParams, seen: Facts, facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return (repository, digest) of the images that follow the version, as `facts` have them."""
    found: dict[str, str] = {}
    for ref in versioned(p, seen).values():
        image = facts.get(StackImageOf(ref))
        name = _repository(ref)
        if isinstance(image, StackImage) and name:
            own = [digest for digest in image.digests if _repository(digest.partition("@")[0]) == name]
            if own:
                found[name] = own[0].partition("@")[2]
    return tuple(sorted(found.items()))


def proven_digests(p: StackParams, seen: Facts) -> dict[str, str]:
    """Return image -> digest that was proven, for the images that follow the version."""
    proven = seen.get(ProofOf(p.stack.family))
    known = dict(proven.proof.digests) if isinstance(proven, Proven) and proven.proof else {}
    names = {ref: _repository(ref) for ref in versioned(p, seen).values()}
    return {ref: known[name] for ref, name in names.items() if name in known}


def _repository(ref: str) -> str:
    """Return what the image is called in full; empty for what names none, as `<none>`."""
    try:
        return parse_ref(ref).name
    except Invalid:
        return ""


register(StackParams)
