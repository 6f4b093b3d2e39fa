import pytest

from podup.core.unit_text import (
    expand_specifiers,
    expand_variables,
    read_environment,
    read_unit,
    split_words,
    unescape_name,
    words_or_none,
)
from podup.errors import Invalid

UNIT = """\
# comment
; another
stray = outside

[Unit]
Description = A thing

[Service]
  ExecStart=/usr/bin/podman run \\
    # in the middle
    ; of a command
    --rm \\
    image
Environment=A=1
Environment=B=2
Restart=no
Restart=on-failure
not an assignment
Path=C:\\\\
Next=1
"""


def test_reads_sections_comments_and_continued_lines():
    text = read_unit([UNIT])
    assert text.last("Unit", "Description") == "A thing"
    assert split_words(text.last("Service", "ExecStart")) == ["/usr/bin/podman", "run", "--rm", "image"]
    assert text.every("Service", "Environment") == ("A=1", "B=2")
    assert text.last("Service", "Restart") == "on-failure"
    assert text.last("Service", "Path") == "C:\\\\"
    assert text.last("Service", "Next") == "1"
    assert text.last("", "stray") == "" and text.every("Unit", "none") == ()


def test_drop_ins_reset_and_override():
    text = read_unit([
        "[Service]\nExecStart=a\nEnvironment=X=1\nPull=always",
        "ExecStart=ignored, for it is in no section\n[Service]\nExecStart=\nExecStart=b",
        "[Service]\r\nEnvironment=Y=2\r\nPull=\r\n",
    ])  # fmt: skip
    assert text.every("Service", "ExecStart") == ("b",)
    assert text.every("Service", "Environment") == ("X=1", "Y=2")
    assert text.last("Service", "Pull") == ""


def test_the_last_line_may_want_to_go_on():
    assert read_unit(["[S]\nA=1 \\"]).last("S", "A") == "1"
    assert read_unit(["[S]\nA=1 \\\n\nB=2"]).last("S", "B") == "2"
    assert read_unit(["[S]\nA=1 \\ \nB=2"]).last("S", "B") == "2"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", []),
        ("  a  b\tc ", ["a", "b", "c"]),
        ("'a b' \"c d\"", ["a b", "c d"]),
        ("a'b c'd", ["ab cd"]),
        ("''", [""]),
        ("a '' b", ["a", "", "b"]),
        ("--label 'x={\"a\": 1}'", ["--label", 'x={"a": 1}']),
        (r"a\x20b a\sb", ["a b", "a b"]),
        (r"\x2d\055 \u00e9 \"q\" \\", ["--", "\u00e9", '"q"', "\\"]),
        (r'"a\"b" "x\ty"', ['a"b', "x\ty"]),
        (r"a\qb", [r"a\qb"]),
        (r"\uD800 \U00110000", ["\ufffd", "\ufffd"]),
        ("a\\", ["a\\"]),
    ],
)
def test_words(value, words):
    assert split_words(value) == words


@pytest.mark.parametrize("value", ["'", '"a', "a 'b", "\"a'", "'a\\'"])
def test_an_open_quote_is_no_command(value):
    with pytest.raises(Invalid):
        split_words(value)
    assert words_or_none(value) == []


@pytest.mark.parametrize(
    ("value", "unit", "expanded"),
    [
        ("%n %N %p %i", "web.service", "web.service web web "),
        ("%n|%N|%p|%i", "web@1.service", "web@1.service|web@1|web|1"),
        ("%I", r"mnt@srv-data\x2d1.service", "srv/data-1"),
        ("%j %P", "a-b-c.service", "c a/b/c"),
        ("100%% %t/x.cid %h", "web.service", "100% %t/x.cid %h"),
        ("%", "web.service", "%"),
    ],
)
def test_specifiers(value, unit, expanded):
    assert expand_specifiers(value, unit) == expanded


def test_unescape():
    assert unescape_name(r"a-b\x2dc") == "a/b-c"


def test_variables():
    known = {"IMAGE": "web:1", "OPTS": "--rm -d", "EMPTY": ""}
    words = ["run", "$OPTS", "$EMPTY", "${IMAGE}", "x${IMAGE}y", "$IMAGE-x", "$$HOME", "$${X}", "$WHO",
    "${WHO}"]
    assert expand_variables(words, known) == [
        "run", "--rm", "-d", "web:1", "xweb:1y", "$IMAGE-x", "$HOME", "${X}", "$WHO", "${WHO}",
    ]  # fmt: skip


def test_environment():
    text = read_unit(["[Service]\nEnvironment=A=1 \"B=x y\" junk\nEnvironment='C=%n'\nEnvironment='open"])
    assert read_environment(text, "web.service") == {"A": "1", "B": "x y", "C": "web.service"}
