import pytest

from podup.core.promotion import Proof, objection, read_proof, render_record, render_text
from podup.errors import Invalid

PROOF = Proof("odoo18", "sha-1", "odoo18-staging", 1000.0, "tsk_x", (("ghcr.io/a/b", "sha256:1"),))


def test_both_files_come_back() -> None:
    assert render_text(PROOF) == b"sha-1\n"
    assert read_proof(render_text(PROOF), render_record(PROOF)) == PROOF
    assert read_proof(None, None) is None


@pytest.mark.parametrize(
    ("text", "record"),
    [
        (b"sha-2\n", render_record(PROOF)),
        (b"sha-2\n", render_record(PROOF).replace(b"sha-1", b"sha-2")),
        (b"sha-1\n", render_record(PROOF).replace(b"1000.0", b"9000.0")),
        (b"sha-1\n", None),
        (None, render_record(PROOF)),
        (b"sha-1\n", b"{"),
        (b"sha-1\n", b"[]"),
        (b"sha-1\n", b"{}"),
        (b"sha-1\n", render_record(PROOF)[:-40]),
    ],
)
def test_an_edited_proof_is_none(text: bytes | None, record: bytes | None) -> None:
    with pytest.raises(Invalid) as caught:
        read_proof(text, record)
    assert caught.value.code == "proof-edited"


@pytest.mark.parametrize(
    ("proof", "version", "now", "code"),
    [
        (PROOF, "sha-1", 1000.0 + 3600, None),
        (PROOF, "sha-1", 1000.0 + 25 * 3600, "proof-expired"),
        (PROOF, "sha-2", 1000.0, "not-verified"),
        (None, "sha-1", 1000.0, "not-verified"),
    ],
)
def test_what_is_proof(proof: Proof | None, version: str, now: float, code: str | None) -> None:
    found = objection(proof, version, now=now, max_age_h=24)
    assert (found.code if found else None) == code


def test_a_proof_without_a_maximum_age_stays() -> None:
    assert objection(PROOF, "sha-1", now=1e12, max_age_h=0) is None
