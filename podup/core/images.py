"""Image references: what stands behind `Image=`, read by the rules Podman and Docker share.

Source: the grammar of distribution/reference (reference.go, normalize.go) and of the OCI distribution
specification. A name without a registry belongs to docker.io, one without a path there to `library/`.
Refused are leading dashes, white space, control characters, names longer than 255 and names that look like
an image id (64 hex digits). The registry is lower-cased, for host names are; a repository in capitals is
refused, for no registry holds one.
"""

from functools import lru_cache

from podup.core.digests import is_digest
from podup.errors import Invalid
from podup.patterns import regex
from podup.records import dataclass, replace

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_DEFAULT_NAMESPACE = "library/"
_MAX_NAME = 255
_MAX_TEXT = _MAX_NAME + 1 + 128 + 1 + 7 + 128
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = regex(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = regex(rf"{_WORD}(?:/{_WORD})*")
_TAG = regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IMAGE_ID = regex(r"[0-9a-f]{64}")
_HINT = "write it as registry/owner/name:tag, such as ghcr.io/acme/web:latest"
_DIGEST_HINT = "write sha256: and 64 lower-case hex digits"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A parsed reference. Make one with `parse_ref`, which is what checks."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Registry and repository: what an image is called without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def reference(self) -> str:
        """What to ask the registry for: the digest, else the tag, else `latest`."""
        return self.digest or self.tag or DEFAULT_TAG

    def with_digest(self, digest: str) -> "ImageRef":
        """Return the same image by digest and without a tag. Raises Invalid."""
        if not is_digest(digest):
            raise Invalid("bad-image-reference", f"not a digest: {digest[:140]!r}", _DIGEST_HINT)
        return replace(self, tag=None, digest=digest)

    def with_default_tag(self) -> "ImageRef":
        """Return the reference with `latest` written out where neither tag nor digest is."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{'@' + self.digest if self.digest else ''}"


@lru_cache(maxsize=256)  # every webhook names one, and a host has few
def parse_ref(text: str) -> ImageRef:
    """Return the reference `text` names; raises Invalid('bad-image-reference') saying what is wrong."""
    if not text or len(text) > _MAX_TEXT:
        raise _bad(text, "it is empty" if not text else "it is too long")
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _bad(text, "what follows @ is not a digest")
    name, tag = _split_tag(rest)
    if tag is not None and not is_tag(tag):
        raise _bad(text, "the tag is not one")
    registry, repository = _split_registry(name)
    if _REGISTRY.fullmatch(registry) is None:
        raise _bad(text, "the registry is not a host name")
    if _IMAGE_ID.fullmatch(name):
        raise _bad(text, "it is an image id, not a name")
    if _REPOSITORY.fullmatch(repository) is None:
        raise _bad(text, "the name has characters or an order of them that image names do not have")
    if len(registry) + 1 + len(repository) > _MAX_NAME:
        raise _bad(text, f"the name is longer than {_MAX_NAME}")
    return ImageRef(registry.lower(), repository, tag, digest or None)


def whole_name(text: str) -> str:
    """Return the name and tag a reference stands for here; empty for one by digest and for what is none."""
    try:
        ref = parse_ref(text)
    except Invalid:
        return ""
    return "" if ref.digest else str(ref.with_default_tag())


def is_tag(text: str) -> bool:
    """Return whether `text` is a well-formed tag: at most 128 of letters, digits, `_`, `.` and `-`."""
    return _TAG.fullmatch(text) is not None


def has_registry(text: str) -> bool:
    """Return whether `text` names its registry, so that no default and no search list decides."""
    first, slash, _ = text.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())


def _split_tag(text: str) -> tuple[str, str | None]:
    colon = text.rfind(":")
    if colon <= text.rfind("/"):
        return text, None
    return text[:colon], text[colon + 1 :]


def _split_registry(name: str) -> tuple[str, str]:
    registry, _, repository = name.partition("/")
    if not has_registry(name):
        registry, repository = DEFAULT_REGISTRY, name
    elif registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = _DEFAULT_NAMESPACE + repository
    return registry, repository


def _bad(text: str, why: str) -> Invalid:
    return Invalid("bad-image-reference", f"not an image reference: {text[:140]!r}: {why}", _HINT)
