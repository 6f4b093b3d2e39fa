"""Content digests: `algorithm:hex` of the two registered algorithms, sha256 and sha512.

Source: OCI image specification, descriptor.md. Hex is lower case only, so that equal digests are equal text.
"""

import hashlib
import hmac

from podup.patterns import regex

_DIGEST = regex(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def is_digest(text: str) -> bool:
    """Return whether `text` is a whole, well-formed digest."""
    return _DIGEST.fullmatch(text) is not None


def has_beginning(digest: str, text: str) -> bool:
    """Return whether `digest` begins with `text`, written with or without its algorithm."""
    return digest.startswith(text) or digest.partition(":")[2].startswith(text)


def digest_of(content: bytes, *, like: str = "sha256:") -> str:
    """Return the digest of `content` by the algorithm that `like` (a digest or `sha512:`) names."""
    algorithm = "sha512" if like.startswith("sha512:") else "sha256"
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def has_digest(content: bytes, digest: str) -> bool:
    """Return whether `content` is what `digest` names."""
    return hmac.compare_digest(digest_of(content, like=digest), digest)
