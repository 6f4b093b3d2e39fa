import pytest

from podup.core import dotenv
from podup.errors import Invalid

FILE = (
    b"\xef\xbb\xbf# stack\r\n"
    b"export TAG='sha-1'   # the version\r\n"
    b'PASSWORD="a\\"b#c\r\nTAG=inside"\r\n'
    b"EMPTY=\r\n"
    b"NAME = web # comment\r\n"
    b"LATIN=\xe9t\xe9\r\n"
    b"not an assignment"
)


def test_reads_quotes_comments_and_lines_inside_quotes() -> None:
    read = dotenv.variables(FILE)
    assert read["TAG"] == "sha-1"
    assert read["PASSWORD"] == 'a"b#c\r\nTAG=inside'
    assert read["EMPTY"] == ""
    assert read["NAME"] == "web"


def test_values_may_refer_to_those_above_them() -> None:
    text = "A=ghcr.io\nB=${A}/x\nC='${A}'\nD=\"${A}-${NO:-def}\"\nE=pa$A\nF=${LATER}\nLATER=1\n"
    read = dotenv.variables(text.encode())
    assert (read["B"], read["C"], read["D"]) == ("ghcr.io/x", "${A}", "ghcr.io-def")
    assert (read["E"], read["F"]) == ("pa$A", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"TAG=sha-1\n", b"TAG=sha-2\n"),
        (b"TAG=sha-1", b"TAG=sha-2"),
        (b"TAG=\n", b"TAG=sha-2\n"),
        (b'TAG="sha-1" # was\r\nA=1\r\n', b'TAG="sha-2" # was\r\nA=1\r\n'),
        (b"  export TAG = 'x'\n", b"  export TAG = 'sha-2'\n"),
        (b"TAG=old\nA=1\nTAG=newer # holds\n", b"TAG=old\nA=1\nTAG=sha-2 # holds\n"),
        (b"#TAG=off\n", b"#TAG=off\nTAG=sha-2\n"),
        (b"A=1\r\nB=2", b"A=1\r\nB=2\r\nTAG=sha-2\r\n"),
        (b"", b"TAG=sha-2\n"),
        (b"XTAG=1\nTAGX=2\n", b"XTAG=1\nTAGX=2\nTAG=sha-2\n"),
    ],
)
def test_replace_changes_only_the_value(before: bytes, after: bytes) -> None:
    assert dotenv.replace(before, "TAG", "sha-2") == after


def test_replace_keeps_every_other_byte() -> None:
    changed = dotenv.replace(FILE, "TAG", "sha-2")
    assert changed == FILE.replace(b"'sha-1'", b"'sha-2'")
    assert dotenv.replace(changed, "TAG", "sha-1") == FILE


def test_refuses_an_open_quote_and_values_that_need_quoting() -> None:
    with pytest.raises(Invalid, match="line 2"):
        dotenv.variables(b"A=1\nB='open\n")
    with pytest.raises(Invalid):
        dotenv.replace(b"", "TAG", "a b")


def test_names_what_is_assigned_twice() -> None:
    assert dotenv.duplicates(b"A=1\nB=2\nA=3\n") == ("A",)


def test_hash_needs_a_space_before_it_to_be_a_comment() -> None:
    assert dotenv.variables(b"A=x#y\nB=#z\n") == {"A": "x#y", "B": ""}
