import pytest

from podup.core.secrets import Secret
from podup.core.signatures import SignatureState, check_signature, sign

BODY = b"Hello, World!"
SECRET = Secret("It's a Secret to Everybody")
GOOD = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_the_example_of_the_github_documentation():
    assert sign(BODY, SECRET) == GOOD
    assert check_signature(GOOD, BODY, [SECRET]) is SignatureState.GOOD
    assert check_signature(GOOD.upper().replace("SHA", "sha"), BODY, [SECRET]) is SignatureState.GOOD


@pytest.mark.parametrize("before", [[], [Secret("old")], [Secret("")], [SECRET]])
def test_one_of_several_secrets_is_enough(before):
    assert check_signature(GOOD, BODY, [*before, SECRET, Secret("new")]) is SignatureState.GOOD


@pytest.mark.parametrize("header", [None, ""])
def test_missing(header):
    assert check_signature(header, BODY, [SECRET])is SignatureState.MISSING


@pytest.mark.parametrize(
    "header",
    ["sha256=", "sha256", GOOD[:-1], GOOD + "0", " " + GOOD, GOOD + "\n", GOOD.replace("sha256", "sha1"),
     GOOD[7:],
     "SHA256=" + GOOD[7:], "sha256=" + "g" * 64, "sha256=" + "\u0661" * 64, GOOD + "," + GOOD, "\ud800",
     "sha256=" + " " * 64],
)  # fmt: skip
def test_malformed(header):
    assert check_signature(header, BODY, [SECRET]) is SignatureState.MALFORMED


@pytest.mark.parametrize(
    ("header", "body", "secret"),
    [(GOOD, BODY + b"x", SECRET), (GOOD, b"", SECRET), (GOOD, BODY, Secret("wrong")),
     ("sha256=" + "0" * 64, BODY, SECRET)],
)  # fmt: skip
def test_mismatch(header, body, secret):
    assert check_signature(header, body, [secret]) is SignatureState.MISMATCH


def test_an_empty_secret_never_matches():
    for secrets in ([], [Secret("")], [Secret(""), Secret("")]):
        header = sign(BODY, Secret(""))
        assert check_signature(header, BODY, secrets) is SignatureState.UNSET


def test_secrets_that_are_not_utf8():
    odd = Secret("\udcff\udcfe")
    assert check_signature(sign(BODY, odd), BODY, [odd]) is SignatureState.GOOD
