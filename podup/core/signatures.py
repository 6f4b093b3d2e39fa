"""HMAC-SHA256 signatures over a raw body: `X-Hub-Signature-256: sha256=<64 hex>`.

Promises: every secret is tried, in time that does not depend on which one matches or where they differ;
an empty secret never matches; nothing that is returned holds an expected value.
Source: GitHub, "Validating webhook deliveries".
"""

import hmac
from collections.abc import Sequence
from enum import StrEnum

from podup.core.secrets import Secret
from podup.patterns import regex

_HEADER = regex(r"sha256=([0-9a-fA-F]{64})")


class SignatureState(StrEnum):
    """What a signature came to. `unset`: there is no secret to hold it against."""

    GOOD = "good"
    MISSING = "missing"
    MALFORMED = "malformed"
    MISMATCH = "mismatch"
    UNSET = "unset"


def check_signature(header: str | None, body: bytes, secrets: Sequence[Secret]) -> SignatureState:
    """Hold the header's value against `body` under each secret; never raises."""
    keys = [_key(secret) for secret in secrets]
    if not any(keys):
        return SignatureState.UNSET
    if header is None or header == "":
        return SignatureState.MISSING
    found = _HEADER.fullmatch(header)
    if found is None:
        return SignatureState.MALFORMED
    claimed = bytes.fromhex(found[1])
    matches = [hmac.compare_digest(hmac.digest(key, body, "sha256"), claimed) for key in keys if key]
    return SignatureState.GOOD if any(matches) else SignatureState.MISMATCH


def sign(body: bytes, secret: Secret) -> str:
    """Return the header's value for `body`."""
    return "sha256=" + hmac.digest(_key(secret), body, "sha256").hex()


def _key(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogateescape")
