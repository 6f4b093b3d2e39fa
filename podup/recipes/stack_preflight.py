"""The preflight of a stack: what has to be seen for it, and the table of checks that comes of it."""

from podup.core import preflight
from podup.core.compose import Composition
from podup.core.preflight import Check, Mark, Mounted
from podup.core.promotion import objection
from podup.recipes.stack_facts import (
    ComposeEngine,
    ComposeEngineOf,
    CompositionOf,
    EnvFile,
    EnvFileOf,
    HistoryOf,
    ProofOf,
    Proven,
    Served,
    ServedOf,
    StackContainer,
    StackContainers,
    StackContainersOf,
    StackNetworks,
    StackRoom,
)
from podup.recipes.stack_goal import (
    PROBE_VERSION,
    StackParams,
    goal_version,
    image_id,
    image_queries,
    kept_queries,
    proven_digests,
    served_queries,
    versioned,
)
from podup.recipes.stack_health import is_current
from podup.recipes.verbs import Facts, Query, Unknown


def queries(p: StackParams, seen: Facts, *, asks_registry: bool = True) -> tuple[Query, ...]:
    """Return what has to be seen; asked again with what was seen until nothing new is wanted."""
    name = p.stack.name
    wanted: tuple[Query, ...] = (
        ComposeEngineOf(),
        EnvFileOf(name),
        StackContainersOf(name),
        HistoryOf(name),
        StackRoom(name),
        CompositionOf(name, PROBE_VERSION),
    )
    if p.stack.needs_proof and asks_registry:
        wanted += (ProofOf(p.stack.family),)
    version = goal_version(p, seen)
    if version:
        wanted += (CompositionOf(name, version),)
    if _needs_networks(p, seen.get(CompositionOf(name, version))):
        wanted += (StackNetworks(),)
    wanted += (*image_queries(p, seen), *kept_queries(p, seen))
    if all(query in seen for query in wanted):
        wanted += served_queries(p, seen, asks_registry=asks_registry)
    return wanted


def checks_of(p: StackParams, seen: Facts, *, is_rollback: bool = False) -> tuple[Check, ...]:
    """Return the table. A rollback leaves out what it could not mend: tags, disk, shape and proof."""
    name, version = p.stack.name, goal_version(p, seen)
    checks = [_engine(seen), _env_file(p, seen)]
    if p.stack.needs_proof and not is_rollback:
        checks.append(_proof(p, version, seen))
    composition = seen.get(CompositionOf(name, version))
    if not isinstance(composition, Composition):
        checks.append(_unread("compose-file", composition))
        return _as_wanted(p, checks)
    checks += preflight.check_file(composition)
    containers = seen.get(StackContainersOf(name))
    if not isinstance(containers, StackContainers):
        checks.append(_unread("containers", containers))
        return _as_wanted(p, checks)
    if not containers.items and _has_config(seen):
        checks.append(preflight.check_project(composition, p.stack))
    checks.append(preflight.check_builds(composition))
    checks.append(_networks(p, composition, seen))
    checks.append(_images(p, seen))
    if not is_rollback:
        checks += _moved(p, seen)
        checks.append(preflight.check_tags(composition, p.stack))
        checks.append(preflight.check_backup(composition, p.stack))
        checks.append(_room(p, seen))
        checks += _shape(p, composition, containers, seen)
    return _as_wanted(p, checks)


def _as_wanted(p: StackParams, checks: list[Check]) -> tuple[Check, ...]:
    return preflight.forced(checks) if p.force else tuple(checks)


def _unread(name: str, found: object, *, is_forcible: bool = False) -> Check:
    if isinstance(found, Unknown):
        return Check(name, Mark.BLOCK, found.reason, found.hint, found.code, is_forcible)
    return Check(name, Mark.BLOCK, "could not be observed", "", "not-observed", is_forcible)


def _engine(seen: Facts) -> Check:
    engine = seen.get(ComposeEngineOf())
    if not isinstance(engine, ComposeEngine):
        return _unread("engine", engine)
    return Check("engine", Mark.PASS, f"{engine.name} {engine.version}".strip())


def _has_config(seen: Facts) -> bool:
    """Return whether the engine reads compose files by itself, as docker compose does."""
    engine = seen.get(ComposeEngineOf())
    return isinstance(engine, ComposeEngine) and engine.has_config


def _env_file(p: StackParams, seen: Facts) -> Check:
    env = seen.get(EnvFileOf(p.stack.name))
    if not isinstance(env, EnvFile):
        return _unread("env-file", env)
    return preflight.check_env_file(env.sha256, env.twice)


def _needs_networks(p: StackParams, composition: object) -> bool:
    """Return whether the stack wants a network that is made elsewhere."""
    networks = composition.networks if isinstance(composition, Composition) else ()
    return bool(p.stack.edge_network) or any(network.is_external for network in networks)


def _networks(p: StackParams, composition: Composition, seen: Facts) -> Check:
    found = seen.get(StackNetworks()) if _needs_networks(p, composition) else ()
    if not isinstance(found, tuple):
        return _unread("networks", found)
    return preflight.check_networks(composition, found, p.stack.edge_network)


def _room(p: StackParams, seen: Facts) -> Check:
    rooms = seen.get(StackRoom(p.stack.name))
    if not isinstance(rooms, tuple):
        return _unread("disk", rooms, is_forcible=True)
    return preflight.check_room(((room.path, room.free_percent) for room in rooms), p.stack.min_free_percent)


def _images(p: StackParams, seen: Facts) -> Check:
    missing: dict[str, str] = {}
    local_only: list[str] = []
    follow = set(versioned(p, seen).values())
    for query in seen:
        answer = seen[query]
        if not isinstance(query, ServedOf):
            continue
        if isinstance(answer, Unknown):
            missing[query.ref] = answer.reason
        elif isinstance(answer, Served) and not answer.is_served:
            if image_id(seen, query.ref) and query.ref not in follow:
                local_only.append(query.ref)
            else:
                missing[query.ref] = answer.says
    return preflight.check_images(missing, local_only)


def _moved(p: StackParams, seen: Facts) -> tuple[Check, ...]:
    """Return a check that blocks when the registry has something else under the tag than was verified."""
    proven = proven_digests(p, seen)
    moved = [
        ref
        for ref, digest in proven.items()
        if isinstance(served := seen.get(ServedOf(ref)), Served)
        and served.digests
        and digest not in served.digests
    ]
    return (preflight.check_moved(proven, moved),) if proven else ()


def _shape(
    p: StackParams, composition: Composition, containers: StackContainers, seen: Facts
) -> tuple[Check, ...]:
    known = [item for item in containers.items if item.state.running or composition.service(item.service)]
    mounted = [
        Mounted(item.service, item.ports, item.volumes, _left_behind(p, item, composition, seen))
        for item in known
    ]
    return preflight.check_shape(composition, mounted)


def _left_behind(
    p: StackParams, item: StackContainer, composition: Composition, seen: Facts
) -> tuple[str, ...]:
    """Return where the container holds data that the one in its place would not get.

    docker compose hands volumes without a name on; podman-compose makes new ones, which are empty.
    """
    service = composition.service(item.service)
    if service is None or _has_config(seen):
        return ()
    stays = service.name not in versioned(p, seen) and is_current(
        service, item, image_id(seen, service.image)
    )
    return () if stays else tuple(volume.partition(":")[2] for volume in item.unnamed)


def _proof(p: StackParams, version: str, seen: Facts) -> Check:
    proven = seen.get(ProofOf(p.stack.family))
    if not isinstance(proven, Proven):
        return _unread("proof", proven, is_forcible=True)
    against = objection(proven.proof, version, now=proven.now, max_age_h=p.stack.proof_max_age_h)
    if against is not None:
        return Check("proof", Mark.BLOCK, against.reason, against.hint, against.code, is_forcible=True)
    return Check(
        "proof", Mark.PASS, f"{version} was verified on {proven.proof.stack if proven.proof else ''}"
    )
