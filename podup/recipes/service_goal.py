"""Where a deployment of a service goes, and how the service stood before, read from what was seen."""

from podup.core.images import ImageRef, parse_ref
from podup.errors import PodupError
from podup.recipes.actions import PULL_TIMEOUT_S
from podup.recipes.codec import register
from podup.recipes.facts import (
    ContainerOf,
    ContainerState,
    ImageAt,
    LocalImage,
    RemoteImage,
    RemoteImageOf,
    UnitConfig,
    UnitConfigOf,
    UnitState,
    UnitStateOf,
)
from podup.recipes.verbs import (
    DEFAULT_TIMING,
    Facts,
    Plan,
    Timing,
    Unknown,
    fail,
    fail_unseen,
    refuse,
)
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class ServiceParams:
    """`unit` gets `image` (empty: the one its files name), or what ran here under digest `to`."""

    unit: str
    image: str = ""
    to: str = ""
    force: bool = False
    timing: Timing = DEFAULT_TIMING
    keep_images: int = 2
    journal_lines: int = 100
    probe: str = ""
    before_hook: tuple[str, ...] = ()
    after_hook: tuple[str, ...] = ()
    pull_timeout_s: float = PULL_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Target:
    """The image to deploy: `wanted_ref` names it in the registry, the unit's files know it as `own_ref`."""

    own_ref: ImageRef
    wanted_ref: ImageRef
    digest: str = ""
    index_digest: str = ""
    size_bytes: int = 0

    @property
    def pull_ref(self) -> str:
        """The image by its digest, which no push can move."""
        return str(self.own_ref.with_digest(self.digest))

    @property
    def digests(self) -> tuple[str, ...]:
        """What the registry calls it: the platform's manifest, and its index where there is one."""
        return tuple(filter(None, (self.digest, self.index_digest)))


def references(p: ServiceParams, config: UnitConfig) -> tuple[ImageRef, ImageRef] | Plan:
    """Return the image the unit's files name and the one wanted, or the plan that refuses them."""
    try:
        own = parse_ref(config.image).with_default_tag()
        wanted = parse_ref(p.image).with_default_tag() if p.image else own
    except PodupError as error:
        return refuse(error.code, error.message, error.hint)
    if wanted.name != own.name:
        why = f"{p.unit} runs {own.name}, not {wanted.name}"
        return refuse("image-mismatch", why, "change Image= in the unit's file for that")
    return own, wanted


def target_of(p: ServiceParams, seen: Facts) -> Target | Plan:
    """Return where the deployment goes, or the plan that says why that is not known."""
    config = seen.get(UnitConfigOf(p.unit))
    if not isinstance(config, UnitConfig):
        return fail("unit-not-read", f"the files of {p.unit} could not be read")
    refs = references(p, config)
    if isinstance(refs, Plan):
        return refs
    own, wanted = refs
    if p.to:
        return Target(own, own, p.to)
    remote = seen.get(RemoteImageOf(str(wanted)))
    if isinstance(remote, RemoteImage):
        return Target(own, wanted, remote.digest, remote.index_digest, remote.size_bytes)
    if isinstance(remote, Unknown):
        return fail_unseen(remote)
    return fail("registry-not-asked", f"what the registry has under {wanted} is not known")


def is_at_target(p: ServiceParams, seen: Facts, target: Target) -> bool:
    """Return whether the unit runs the target's image; of a job at rest, whether its next start will."""
    if is_job_at_rest(p, seen):
        return id_at(seen, str(target.own_ref)) == id_at(seen, target.pull_ref) != ""
    container, state = seen.get(ContainerOf(p.unit)), seen.get(UnitStateOf(p.unit))
    if not isinstance(container, ContainerState) or not isinstance(state, UnitState) or not state.is_active:
        return False
    image = seen.get(ImageAt(target.pull_ref))
    if isinstance(image, LocalImage):
        return container.image_id == image.id
    return container.image_digest in (target.digest, target.index_digest)


def image_before(p: ServiceParams, before: Facts) -> str:
    """Return the id of the image it ran, or would have run, empty when there was none."""
    container = before.get(ContainerOf(p.unit))
    if isinstance(container, ContainerState):
        return container.image_id
    config = before.get(UnitConfigOf(p.unit))
    refs = references(p, config) if isinstance(config, UnitConfig) else Plan()
    return "" if isinstance(refs, Plan) else id_at(before, str(refs[0]))


def digest_before(p: ServiceParams, before: Facts) -> str:
    """Return the digest of the image it ran, empty when it ran none or that has none."""
    container = before.get(ContainerOf(p.unit))
    return container.image_digest if isinstance(container, ContainerState) else ""


def id_at(seen: Facts, ref: str) -> str:
    """Return the id of the local image under `ref`, empty when there is none."""
    image = seen.get(ImageAt(ref))
    return image.id if isinstance(image, LocalImage) else ""


def was_stopped(p: ServiceParams, before: Facts) -> bool:
    """Return whether it was stopped, and had not failed."""
    state = before.get(UnitStateOf(p.unit))
    return isinstance(state, UnitState) and state.active == "inactive"


def is_job_at_rest(p: ServiceParams, before: Facts) -> bool:
    """Return whether it is a job that a timer or a person starts, and which does not stand active."""
    state = before.get(UnitStateOf(p.unit))
    return isinstance(state, UnitState) and state.is_job and not state.is_active


def is_untouched(p: ServiceParams, before: Facts, after: Facts) -> bool:
    """Return whether the unit still runs as it did: not started since, on the same container."""
    return all(isinstance(facts.get(UnitStateOf(p.unit)), UnitState) for facts in (before, after)) and (
        _running_as(p, before) == _running_as(p, after)
    )


def _running_as(p: ServiceParams, seen: Facts) -> tuple[str, str, str]:
    state: UnitState = seen[UnitStateOf(p.unit)]
    container = seen.get(ContainerOf(p.unit))
    return state.active, state.invocation, container.id if isinstance(container, ContainerState) else ""


register(ServiceParams)
