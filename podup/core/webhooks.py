"""What a signed webhook says: an image was pushed, nothing for us, or hello.

Two GitHub events carry packages, `package` and `registry_package`; they have one shape under two names.
The header that names the event is not covered by the signature, so the signed body has to agree with it.
Raises Invalid for a body that is not what it claims to be, and nothing else.
Source: GitHub, "Webhook events and payloads"; both events as octokit/webhooks describes them.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from podup.core.digests import is_digest
from podup.core.images import DEFAULT_TAG, ImageRef, has_registry, is_tag, parse_ref
from podup.core.json_body import list_at, object_at, read_object, text_at
from podup.errors import Invalid
from podup.records import dataclass

_EVENTS = ("package", "registry_package")
_ACTIONS = ("published", "updated")
_CONTAINER_KINDS = ("container", "docker")
_GITHUB_REGISTRY = "ghcr.io"
_MAX_TAGS = 1000


@dataclass(frozen=True, slots=True)
class PackageEvent:
    """An image was pushed: `image` is registry/repository in lower case, `tags` all it is called now."""

    image: str
    tags: tuple[str, ...]
    digest: str | None
    event: str
    action: str


@dataclass(frozen=True, slots=True)
class Ping:
    """GitHub says hello after a webhook was set up."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed event that is none of our business, and why: kebab-case code and a sentence."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Matched:
    """The event is about the image the unit runs."""

    image: ImageRef


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The event is not about the unit's image: code `image-unknown`, `image-mismatch` or `tag-mismatch`."""

    code: str
    reason: str


def unwrap_body(body: bytes, content_type: str) -> bytes:
    """Return the JSON of a delivery: the body, or its `payload` where GitHub was left at sending a form."""
    if content_type == "application/json" or not _is_form(content_type):
        return body
    try:
        fields = parse_qsl(body.decode("utf-8"), strict_parsing=True, errors="strict", max_num_fields=8)
    except ValueError:
        raise Invalid("bad-webhook-body", "the form cannot be read", "set the content type to JSON") from None
    found = [value for name, value in fields if name == "payload"]
    if len(found) != 1:
        raise Invalid("bad-webhook-body", "the form has no payload", "set the content type to JSON")
    return found[0].encode("utf-8")


def _is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"


def read_event(header: str | None, body: bytes) -> PackageEvent | Ignored | Ping:
    """Return what a GitHub delivery says; `header` is the value of X-GitHub-Event."""
    message = read_object(body)
    told = None
    for name in _EVENTS:
        if told is None and message.get(name) is not None:
            told = name
    if header == "ping":
        hello = told is None and ("zen" in message or "hook_id" in message)
        return Ping() if hello else Ignored("event-mismatch", "the header says ping, the body does not")
    if header not in _EVENTS:
        return Ignored("event-not-handled", f"the event {(header or '')[:60]!r} is not about packages")
    if told is None:
        return Ignored("event-mismatch", f"the header says {header}, the body has no package")
    action = text_at(message, "action")
    if action not in _ACTIONS:
        return Ignored("action-not-handled", f"the action is {action[:60]!r}, not published or updated")
    package = object_at(message, told)
    kind = text_at(package, "package_type") or text_at(package, "ecosystem")
    if kind.lower() not in _CONTAINER_KINDS:
        return Ignored("not-a-container", f"the package is of type {kind[:60]!r}, not a container")
    return _package_event(package, told, action)


def read_generic(body: bytes) -> PackageEvent:
    """Return what a plain `{image, tag?, digest?}` says; without a tag anywhere it is `latest`."""
    message = read_object(body)
    ref = parse_ref(text_at(message, "image"))
    tag = _agreed(ref.tag, text_at(message, "tag"), "tag") or DEFAULT_TAG
    digest = _agreed(ref.digest, text_at(message, "digest"), "digest")
    _check_tags([tag])
    if digest is not None:
        _check_digest(digest)
    return PackageEvent(ref.name, (tag,), digest, "generic", "published")


def match(event: PackageEvent, unit_image: ImageRef | None) -> Matched | Mismatch:
    """Hold the event against the image the unit runs; None is an image nobody knows."""
    if unit_image is None:
        return Mismatch("image-unknown", "the image of the unit is not known")
    if unit_image.name != event.image:
        return Mismatch("image-mismatch", f"the push is of {event.image}, the unit runs {unit_image.name}")
    if unit_image.digest is not None and unit_image.tag is None:
        if unit_image.digest == event.digest:
            return Matched(unit_image)
        return Mismatch("tag-mismatch", f"the unit is pinned to {unit_image.digest}")
    tag = unit_image.tag or DEFAULT_TAG
    if tag in event.tags:
        return Matched(unit_image)
    listed = ", ".join(event.tags[:10]) or "no tag"
    return Mismatch("tag-mismatch", f"the push is of {listed}, the unit runs {tag}")


def _package_event(package: Mapping[str, Any], event: str, action: str) -> PackageEvent:
    version = object_at(package, "package_version")
    container = _part(version, "container_metadata")
    tag = _part(container, "tag")
    url = _package_url(version)
    image = url.name if url is not None else _image_name(package)
    tags = _tags(tag, container, version)
    if not tags and url is not None and url.tag is not None:
        tags = (url.tag,)
    return PackageEvent(image, tags, _digest(version, tag, container), event, action)


def _package_url(version: Mapping[str, Any]) -> ImageRef | None:
    """Read `ghcr.io/owner/name:tag`; GitHub leaves the tag empty, colon and all, for an untagged version."""
    text = text_at(version, "package_url").strip().removesuffix(":")
    name, colon, tag = text.rpartition(":") if ":" in text.rpartition("/")[2] else (text, "", "")
    name, at, digest = name.partition("@")
    if not has_registry(name) or "://" in name:
        return None
    return parse_ref(f"{name.lower()}{at}{digest}{colon}{tag}")


def _image_name(package: Mapping[str, Any]) -> str:
    owner = text_at(object_at(package, "owner"), "login") or text_at(package, "namespace")
    name = text_at(package, "name")
    if not owner or not name:
        raise Invalid("bad-webhook-body", "the package has no owner or no name")
    url = text_at(_part(package, "registry"), "url")
    return parse_ref(f"{_host(url) or _GITHUB_REGISTRY}/{owner}/{name}".lower()).name


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        raise Invalid("bad-webhook-body", "registry.url is not a URL") from None


def _tags(
    tag: Mapping[str, Any], container: Mapping[str, Any], version: Mapping[str, Any]
) -> tuple[str, ...]:
    """Collect every tag, in order and once each; the empty name of an untagged version is none."""
    listed = [tag.get("name"), *list_at(container, "tags")]
    listed += list_at(_part(_part(version, "metadata"), "container"), "tags")
    names = [item.get("name") if isinstance(item, dict) else item for item in listed]
    return tuple(dict.fromkeys(_check_tags([name for name in names if name not in (None, "")])))


def _digest(
    version: Mapping[str, Any], tag: Mapping[str, Any], container: Mapping[str, Any]
) -> str | None:
    said = text_at(version, "version"), text_at(tag, "digest")
    for text in (*said, text_at(_part(container, "manifest"), "digest")):
        if text.startswith(("sha256:", "sha512:")):
            return _check_digest(text)
    return None


def _part(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under `key`; GitHub writes an empty object as an empty list or text at times."""
    value = parent.get(key)
    return value if isinstance(value, dict) else {} if value in ([], "") else object_at(parent, key)


def _check_tags(tags: list[Any]) -> list[str]:
    for tag in tags:
        if not isinstance(tag, str) or not is_tag(tag):
            raise Invalid("bad-webhook-body", f"not an image tag: {tag!r:.140}")
    if len(tags) > _MAX_TAGS:
        raise Invalid("bad-webhook-body", f"the version has more than {_MAX_TAGS} tags")
    return tags


def _check_digest(text: str) -> str:
    if not is_digest(text):
        raise Invalid("bad-webhook-body", f"not a digest: {text[:140]!r}")
    return text


def _agreed(inside: str | None, beside: str, what: str) -> str | None:
    if inside is not None and beside and inside != beside:
        raise Invalid("bad-webhook-body", f"the image names one {what} and the member {what} another")
    return inside or beside or None
