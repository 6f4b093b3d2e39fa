"""Environment files read as systemd reads them."""

import pytest

from podup.settings.env_file import parse, quoted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=plain", "plain"),
        ("A=", ""),
        ("A = spaced out  ", "spaced out"),
        ('A="quoted # no comment"', "quoted # no comment"),
        ("A='single $HOME \\n'", "single $HOME \\n"),
        ('A="a \\"b\\" \\$c \\x"', 'a "b" $c \\x'),
        ("A=one\\\ntwo", "onetwo"),
        ("A=a\\ \\ b", "a  b"),
        ("A=it\\'s", "it's"),
        ("A='a'\"b\" ", "ab"),
        ("A=x # kept", "x # kept"),
        ('A="two\nlines"', "two\nlines"),
        ("A=first\nA=second", "second"),
        ("# A=comment\n; too\nA=x\r\n", "x"),
        ("A=a=b", "a=b"),
    ],
)
def test_a_value(text: str, value: str) -> None:
    assert parse(text) == ({"A": value}, [])


def test_what_is_no_assignment_is_told_and_skipped() -> None:
    values, complaints = parse("A=1\nexport B=2\njust words\nC=3\n")
    assert values == {"A": "1", "C": "3"}
    assert complaints == ["line 2: 'export B' is not a name", "line 3 is not NAME=VALUE"]


@pytest.mark.parametrize(
    "value", ["", "plain", "two words", 'a"b', "a\\b", "$HOME", "it's", "#x", "multi\nline", " "]
)
def test_quoted_text_comes_back(value: str) -> None:
    assert parse(f"A={quoted(value)}\n") == ({"A": value}, [])
