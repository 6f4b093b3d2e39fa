"""What a registry's refusal means, in our words and codes.

Codes: `registry-unauthorized`, `image-not-found`, `registry-rate-limited` (with `retry_after_s`),
`registry-unreachable`, `registry-slow`. They are the same whoever asked: the registry client here, or Podman.
Source: OCI distribution specification, "Error codes".
"""

from collections.abc import Mapping
from typing import Any

from podup.core.json_body import list_at, read_object, text_at
from podup.core.releases import rate_limit_wait
from podup.errors import Invalid, NotFound, PodupError, RateLimited, Unavailable

HINTS = {
    "registry-unauthorized": "run `podman login` for this registry as the user podup runs as",
    "registry-rate-limited": "wait, or log in: registries allow more to those they know",
    "image-not-found": "was the tag deleted, or does the name have a typing error?",
    "registry-slow": "the registry or the network is slow; try again",
    "registry-unreachable": "is the registry up, and can this machine reach it?",
}
_REFUSED = (401, 403)


def refusal(name: str, status: int, headers: Mapping[str, str], body: bytes, now: float) -> PodupError:
    """Return the error for an answer that is not what was asked for.

    `name` is the image, `headers` have lower-case names, `now` is in Unix seconds.
    """
    said = _said(body) or f"status {status}"
    wait_s = rate_limit_wait(status, headers, now)
    if wait_s is not None:
        code = "registry-rate-limited"
        message = f"the registry allows no more requests for now ({name})"
        return RateLimited(code, message, HINTS[code], retry_after_s=wait_s)
    if status in _REFUSED:
        code = "registry-unauthorized"
        return Unavailable(code, f"the registry does not let us see {name}: {said}", HINTS[code])
    if status == 404:
        code = "image-not-found"
        return NotFound(code, f"the registry has no {name}: {said}", HINTS[code])
    return unreachable(name, said)


def unreachable(name: str, why: str) -> PodupError:
    """Return the error for a registry that cannot be talked to."""
    code = "registry-unreachable"
    return Unavailable(code, f"the registry gives no proper answer about {name}: {why}", HINTS[code])


def slow(name: str) -> PodupError:
    """Return the error for a registry whose answer did not come in time."""
    code = "registry-slow"
    return Unavailable(code, f"the registry did not answer about {name} in time", HINTS[code])


def _said(body: bytes) -> str:
    """Return the registry's own words, `MANIFEST_UNKNOWN: manifest unknown`; empty when it has none."""
    try:
        errors = [error for error in list_at(read_object(body), "errors") if isinstance(error, dict)]
        first: dict[str, Any] = errors[0] if errors else {}
        words = [text_at(first, "code"), text_at(first, "message")]
    except Invalid:
        return ""
    return ": ".join(word for word in words if word)[:200]
