"""Image manifests and indexes, in the OCI and the Docker spelling, read from what a registry sent.

An index names one manifest a platform; a manifest names its config, whose digest is the image id, and its
layers. The old schema 1 is refused: it has no image id. Raises Invalid('bad-manifest') and nothing else.
Source: OCI image specification, manifest.md and image-index.md; Docker image manifest version 2, schema 2.
"""

from collections.abc import Mapping
from typing import Any

from podup.core.digests import is_digest
from podup.core.json_body import integer_at, list_at, object_at, read_object, text_at
from podup.errors import Invalid
from podup.records import dataclass

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED_TYPES = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
_INDEX_TYPES = (OCI_INDEX, DOCKER_LIST)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What an index or a manifest says about another document; `size` in bytes, the platform may be empty."""

    digest: str
    size: int
    media_type: str = ""
    os: str = ""
    architecture: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """One image for several platforms."""

    media_type: str
    entries: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform. The digest of `config` is the image id."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


def read_manifest(content: bytes, content_type: str) -> Index | Manifest:
    """Return what `content` describes; what it says of its own type wins over the response's header."""
    try:
        document = read_object(content)
        media_type = text_at(document, "mediaType") or _guess(document, content_type)
        if media_type in _INDEX_TYPES:
            return Index(media_type, tuple(_descriptor(item) for item in list_at(document, "manifests")))
        if media_type in (OCI_MANIFEST, DOCKER_MANIFEST):
            layers = tuple(_descriptor(item) for item in list_at(document, "layers"))
            return Manifest(media_type, _descriptor(document.get("config")), layers)
    except Invalid as error:
        raise _bad(error.message) from None
    raise _bad(f"the type {media_type[:100]!r} is not known")


def _guess(document: Mapping[str, Any], content_type: str) -> str:
    """Name the type by what is inside where neither header nor document does: OCI lets both be silent."""
    told = content_type.partition(";")[0].strip().lower()
    if told in ACCEPTED_TYPES or document.get("schemaVersion") != 2:
        return told
    if "manifests" in document:
        return OCI_INDEX
    return OCI_MANIFEST if "config" in document else told


def _descriptor(item: Any) -> Descriptor:
    if not isinstance(item, dict):
        raise _bad("a descriptor is not an object")
    digest, size = text_at(item, "digest"), integer_at(item, "size")
    if not is_digest(digest) or size < 0:
        raise _bad(f"not a digest and size: {digest[:140]!r}, {size}")
    platform = object_at(item, "platform")
    return Descriptor(
        digest,
        size,
        text_at(item, "mediaType"),
        text_at(platform, "os"),
        text_at(platform, "architecture"),
        text_at(platform, "variant"),
    )


def _bad(message: str) -> Invalid:
    return Invalid("bad-manifest", f"the registry sent a manifest that cannot be read: {message}")
