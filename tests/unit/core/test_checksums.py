import pytest

from podup.core.checksums import parse_checksum
from podup.errors import Invalid

NAME = "pod-upgrade-trigger.pyz"
DIGEST = "0123456789abcdef" * 4

TAKEN = {
    "as sha256sum writes it": f"{DIGEST}  {NAME}\n",
    "without line end": f"{DIGEST}  {NAME}",
    "CRLF": f"{DIGEST}  {NAME}\r\n",
    "capitals": f"{DIGEST.upper()}  {NAME}\n",
    "binary mark": f"{DIGEST} *{NAME}\n",
}
REFUSED = {
    "BOM": ("\ufeff" + f"{DIGEST}  {NAME}\n", "byte order mark"),
    "other name": (f"{DIGEST}  other.pyz\n", "it is for 'other.pyz'"),
    "path": (f"{DIGEST}  dist/{NAME}\n", "it is for 'dist/"),
    "two entries": (f"{DIGEST}  {NAME}\n{DIGEST}  {NAME}\n", "2 lines"),
    "63 digits": (f"{DIGEST[:63]}  {NAME}\n", "63 digits"),
    "65 digits": (f"{DIGEST}0  {NAME}\n", "65 digits"),
    "BSD": (f"SHA256 ({NAME}) = {DIGEST}\n", "is not"),
    "one space": (f"{DIGEST} {NAME}\n", "is not"),
    "leading space": (f" {DIGEST}  {NAME}\n", "is not"),
    "HTML": ("<html><body>sign in</body></html>\n", "is not"),
    "empty": ("", "is not"),
    "not text": ("\u00e9", "not plain text"),
    "huge": ("0" * 5000, "larger than"),
}


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_what_sha256sum_takes_is_taken(text):
    assert parse_checksum(text.encode(), NAME) == DIGEST


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED)
def test_everything_else_is_refused_with_its_reason(text, why):
    with pytest.raises(Invalid, match="checksum file is refused") as caught:
        parse_checksum(text.encode(), NAME)
    assert why in caught.value.message
