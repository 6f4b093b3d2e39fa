"""Which units cannot be given another image, or not now: said before anything is touched."""

from podup.recipes.facts import DiskSpace, LocalImage, UnitConfig, UnitState
from podup.recipes.verbs import Plan, Unknown, fail, fail_unseen, refuse

_UNPACKED = 3
_SPARE_BYTES = 64 * 1024 * 1024
_UNREADABLE = ("error", "bad-setting")
_IMAGE_UNKNOWN = (
    "its image is not known",
    "set Image= in its Quadlet file, or name the image in its `podman run`",
)
_NO_IMAGE = {
    "kube": (
        "it plays a Kubernetes file, whose images are not looked after",
        "write a .container file for each container, or run it as a stack",
    ),
    "pod": ("a pod runs no image of its own", "deploy the units of its containers"),
    "image": ("it fetches an image and runs none", "deploy the units that run it"),
    "quadlet": (
        "its image is not known, or built on this machine",
        "name an image of a registry in Image=",
    ),
}


def refuse_state(unit: str, state: object) -> Plan | None:
    """Return why systemd would not start this unit, or None."""
    if isinstance(state, Unknown):
        return fail_unseen(state)
    seen = state if isinstance(state, UnitState) else UnitState(unit)
    systemctl = f"systemctl {seen.manager}"
    if not seen.exists:
        hint = f"is it spelled right, and was `{systemctl} daemon-reload` run?"
        return refuse("unit-not-found", f"{unit} is not known to systemd", hint)
    if seen.load == "masked":
        hint = f"`{systemctl} unmask {unit}` lets it be started again"
        return refuse("unit-masked", f"{unit} is masked", hint)
    if seen.load in _UNREADABLE:
        hint = f"see `{systemctl} status {unit}`"
        return refuse("unit-unreadable", f"systemd cannot read the files of {unit}", hint)
    return None


def refuse_unit(unit: str, config: object, state: object, container: object) -> Plan | None:
    """Return why this unit can be given no other image now, or None."""
    refusal = refuse_state(unit, state)
    if refusal is not None:
        return refusal
    if isinstance(config, Unknown):
        return fail_unseen(config)
    if not isinstance(config, UnitConfig):
        return fail("unit-not-read", f"the files of {unit} could not be read")
    if isinstance(state, UnitState) and state.need_reload:
        why = f"the files of {unit} were changed and systemd has not read them: it would start something else"
        return refuse("unit-not-reloaded", why, f"run `systemctl {state.manager} daemon-reload`")
    return refuse_config(config) or _refuse_unseen(config, container)


def _refuse_unseen(config: UnitConfig, container: object) -> Plan | None:
    """Return why nobody could tell how its container does, or None."""
    is_unnamed = config.source == "podman-run" and not config.container_name and not config.is_labelled
    if container is not None or not is_unnamed:
        return None
    why = f"which container {config.unit} runs cannot be told: it has no name and no label"
    hint = "give its `podman run` a --name, or the unit Environment=PODMAN_SYSTEMD_UNIT=%n"
    return refuse("container-unknown", why, hint)


def refuse_config(config: UnitConfig) -> Plan | None:
    """Return why a unit whose files say this can be given no other image, or None."""
    unit = config.unit
    if config.source == "podman-start":
        why = f"{unit} starts a container that was made before, which keeps its image"
        hint = "generate the unit with `podman generate systemd --new`, or write a Quadlet file"
        return refuse("container-is-fixed", why, hint)
    if not config.image:
        reason, hint = no_image(config.source)
        return refuse("image-unknown", f"{unit}: {reason}", hint)
    if config.image.startswith("localhost/"):
        why = f"the image of {unit} is one built on this machine"
        hint = "push it to a registry, and name it there in Image="
        return refuse("image-is-local", why, hint)
    if config.pinned:
        hint = "name the image by tag; the digest is pinned for every deployment anyway"
        return refuse("image-pinned", f"{unit} names its image by digest", hint)
    if config.pulls_at_start:
        hint = "take away Pull=always, --pull or ExecStartPre=podman pull"
        why = f"{unit} pulls by itself at start, so it could not be taken back"
        return refuse("pulls-at-start", why, hint)
    return None


def no_image(kind: str) -> tuple[str, str]:
    """Return why a unit of this kind (`UnitConfig.source`) has no image to deploy, and what to do."""
    return _NO_IMAGE.get(kind, _IMAGE_UNKNOWN)


def refuse_disk(space: object, pulled: object, size_bytes: int) -> Plan | None:
    """Return why there is no room for an image of this size, or None; one that is here needs none."""
    if not isinstance(space, DiskSpace) or isinstance(pulled, LocalImage):
        return None
    wanted = size_bytes * _UNPACKED + _SPARE_BYTES
    if space.free_bytes >= wanted:
        return None
    says = f"{space.free_bytes >> 20} MiB free at {space.path}, about {wanted >> 20} MiB wanted"
    return refuse("disk-full", says, "make room, for example with `podman image prune`")
