import pytest

from podup.core.digests import digest_of, has_digest, is_digest

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_digest_of():
    assert digest_of(b"") == EMPTY
    long = digest_of(b"", like="sha512:")
    assert is_digest(long) and long.startswith("sha512:cf83e1357eefb8bd")
    assert has_digest(b"", EMPTY) and has_digest(b"", long)
    assert not has_digest(b"x", EMPTY)


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", EMPTY.upper(), EMPTY + "\n", EMPTY[:-1], EMPTY + "0", "md5:" + "0" * 32,
     "sha512:" + "0" * 64, EMPTY.removeprefix("sha256:"), " " + EMPTY],
)  # fmt: skip
def test_refuses(text):
    assert not is_digest(text)
    assert is_digest(EMPTY)
