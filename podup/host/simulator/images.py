"""The simulated registry and local storage: what a reference stands for, there and here.

Names follow podman: pulling by digest gives an image the name `repository@digest`, tagging moves a tag.
"""

from podup.core.images import parse_ref
from podup.host.podman_answers import repository_of
from podup.host.simulator.parts import Behaviour, Machine, RegistryImage, StoredImage, hex_of
from podup.records import replace

_GONE = "pinging container registry {0}: dial tcp 192.0.2.1:443: connection refused"
_TROUBLES = {
    "gone": ("registry-unreachable", _GONE),
    "unauthorized": ("registry-unauthorized", "{1} in {0}: unauthorized: authentication required"),
    "limited": ("registry-rate-limited", "{1} in {0}: toomanyrequests: retry later"),
    "slow": ("registry-slow", "{1} in {0}: context deadline exceeded"),
}


class ImageTrouble(Exception):
    """What podman says when it cannot have an image; `code` is that of `podup.net.registry`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def build(
    name: str, version: str, behaviour: Behaviour, *, is_index: bool = False, content: str = ""
) -> RegistryImage:
    """Build an image. A version of a name is the same each time; equal `content` is one under all names."""
    seed = content or f"{name} {version}"
    return RegistryImage(
        digest=f"sha256:{hex_of('manifest ' + seed)}",
        image_id=f"sha256:{hex_of('config ' + seed)}",
        behaviour=behaviour,
        index_digest=f"sha256:{hex_of('index ' + seed)}" if is_index else "",
        version=version,
    )


def push(machine: Machine, ref: str, image: RegistryImage) -> RegistryImage:
    """Put an image under `ref` into the registry, moving the tag; return it as it is there."""
    parsed = parse_ref(ref).with_default_tag()
    pushed = replace(image, created_at=machine.wall)
    for digest in filter(None, (image.digest, image.index_digest)):
        machine.manifests[f"{parsed.name}@{digest}"] = pushed
    machine.tags[str(parsed)] = image.digest
    return pushed


def find_remote(machine: Machine, ref: str) -> RegistryImage:
    """Return what the registry has under `ref`; raises ImageTrouble."""
    parsed = parse_ref(ref).with_default_tag()
    if machine.registry in _TROUBLES:
        code, says = _TROUBLES[machine.registry]
        raise ImageTrouble(code, says.format(parsed.name, parsed.reference))
    digest = parsed.digest or machine.tags.get(str(parsed), "")
    manifest = machine.manifests.get(f"{parsed.name}@{digest}")
    if manifest is None:
        said = f"reading manifest {parsed.reference} in {parsed.name}: manifest unknown: manifest unknown"
        raise ImageTrouble("image-not-found", said)
    return manifest


def find_local(machine: Machine, ref: str) -> StoredImage | None:
    """Return the local image of this id, name or digest."""
    bare = ref.removeprefix("sha256:")
    for image in machine.images.values():
        hexes = image.id.removeprefix("sha256:")
        if len(bare) >= 12 and hexes.startswith(bare):
            return image
        if _whole(ref) in image.names:
            return image
    name, at, digest = ref.partition("@")
    if at:
        for image in machine.images.values():
            if image.digest == digest and repository_of(name) in map(repository_of, image.names):
                return image
    return None


def fetch(machine: Machine, ref: str) -> StoredImage:
    """Pull `ref` into local storage under its name; raises ImageTrouble."""
    manifest = find_remote(machine, ref)
    if manifest.image_id not in machine.images and machine.disk_free < manifest.size_bytes:
        raise ImageTrouble("disk-full", "writing blob: storing blob to file: no space left on device")
    known = machine.images.get(manifest.image_id)
    if known is None:
        machine.disk_free -= manifest.size_bytes
        known = StoredImage(
            id=manifest.image_id,
            digest=manifest.digest,
            behaviour=manifest.behaviour,
            size_bytes=manifest.size_bytes,
            version=manifest.version,
            created_at=manifest.created_at,
            labels=manifest.labels,
        )
    machine.images[known.id] = known
    return give_name(machine, known.id, ref)


def give_name(machine: Machine, image_id: str, name: str) -> StoredImage:
    """Let `name` stand for the image, and for no other."""
    whole = _whole(name)
    for key, other in machine.images.items():
        if whole in other.names and key != image_id:
            machine.images[key] = replace(other, names=tuple(n for n in other.names if n != whole))
    image = machine.images[image_id]
    image = replace(
        image,
        names=tuple(dict.fromkeys((*image.names, whole))),
        history=tuple(dict.fromkeys((whole, *image.history))),
    )
    machine.images[image_id] = image
    return image


def take_name(machine: Machine, name: str) -> bool:
    """Take `name` away from its image; return whether there was one."""
    whole = _whole(name)
    for key, image in machine.images.items():
        if whole in image.names:
            machine.images[key] = replace(image, names=tuple(n for n in image.names if n != whole))
            return True
    return False


def at_start(machine: Machine, ref: str, policy: str) -> StoredImage:
    """Return the image `podman run --pull=policy ref` starts; raises ImageTrouble."""
    local = find_local(machine, ref)
    if policy == "always" or (local is None and policy != "never"):
        return fetch(machine, ref)
    if policy == "newer" and local is not None:
        return fetch(machine, ref) if find_remote(machine, ref).image_id != local.id else local
    if local is None:
        raise ImageTrouble("image-not-found", f"{ref}: image not known")
    return local


def _whole(ref: str) -> str:
    return str(parse_ref(ref).with_default_tag())
