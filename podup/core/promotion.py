"""What staging has proven, and whether it is proof for production.

Two files a family: `FAMILY.txt`, one line, the version; `FAMILY.json`, what that version was: the digests of
its images, when, on which stack and by which task, with a checksum over all of it. The text is for people and
for older scripts; the record is the proof. A text without a record, a record that does not match its checksum
or its text, one past its age, and a tag that has moved since are no proof. The checksum finds mistakes and
edits by hand; it is no signature.
"""

import hashlib
import json
from collections.abc import Mapping

from podup.errors import Invalid
from podup.records import dataclass

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Proof:
    """A proven version: `digests` maps an image's repository to the digest that ran; `at` is Unix seconds."""

    family: str
    version: str
    stack: str
    at: float
    task: str = ""
    digests: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a version may not go to production."""

    code: str
    reason: str
    hint: str = ""


def render_text(proof: Proof) -> bytes:
    """Return the content of `FAMILY.txt`."""
    return f"{proof.version}\n".encode()


def render_record(proof: Proof) -> bytes:
    """Return the content of `FAMILY.json`."""
    body = {
        "schema": _SCHEMA,
        "family": proof.family,
        "version": proof.version,
        "stack": proof.stack,
        "verified_at": proof.at,
        "task": proof.task,
        "digests": dict(proof.digests),
    }
    return (json.dumps({**body, "checksum": _checksum(body)}, indent=2, sort_keys=True) + "\n").encode()


def read_proof(text: bytes | None, record: bytes | None) -> Proof | None:
    """Return the proof the two files hold, None when neither is there.

    Raises Invalid `proof-edited` when they do not hold together.
    """
    if text is None and record is None:
        return None
    if text is None or record is None:
        missing = "text" if text is None else "record"
        raise Invalid("proof-edited", f"the proof has no {missing} file", _HINT)
    try:
        body = json.loads(record)
        told = body.pop("checksum")
        proof = Proof(
            family=body["family"],
            version=body["version"],
            stack=body["stack"],
            at=float(body["verified_at"]),
            task=body["task"],
            digests=tuple(sorted(body["digests"].items())),
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Invalid("proof-edited", f"the record of the proof cannot be read: {error}", _HINT) from None
    if told != _checksum(body):
        raise Invalid(
            "proof-edited", "the record of the proof was edited: its checksum does not match", _HINT
        )
    if text.decode(errors="replace").strip() != proof.version:
        raise Invalid("proof-edited", "the proof's text names another version than its record", _HINT)
    return proof


def objection(proof: Proof | None, version: str, *, now: float, max_age_h: float) -> Objection | None:
    """Return why `version` is not proven, or None. `max_age_h` 0 means a proof never gets too old."""
    if proof is None:
        return Objection("not-verified", "no version of this family was verified in staging", _HINT)
    if proof.version != version:
        reason = f"staging verified {proof.version}, not {version}"
        return Objection("not-verified", reason, _HINT)
    age_h = (now - proof.at) / 3600
    if max_age_h and age_h > max_age_h:
        reason = f"{version} was verified {age_h:.0f} hours ago, more than {max_age_h:.0f}"
        return Objection("proof-expired", reason, _HINT)
    return None


_HINT = "deploy it to staging first, or use --force, which is put on record"


def _checksum(body: Mapping[str, object]) -> str:
    whole = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()
