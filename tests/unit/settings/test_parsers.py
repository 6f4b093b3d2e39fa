"""Text to values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podup.settings import parsers
from podup.settings.parsers import Address

Parse = Callable[[str], Any]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parsers.flag, "1", True),
        (parsers.flag, "YES", True),
        (parsers.flag, "off", False),
        (parsers.whole(), "0", 0),
        (parsers.seconds(), "90", 90),
        (parsers.seconds(), "15m", 900),
        (parsers.seconds(), "1w", 604800),
        (parsers.share, "0.25", 0.25),
        (parsers.share, "25", 0.25),
        (parsers.share, "0.5%", 0.005),
        (parsers.share, "1", 1.0),
        (parsers.words, " a, b  a,c ", ("a", "b", "c")),
        (parsers.words, " , ", ()),
        (parsers.address, ":80", Address("0.0.0.0", 80)),
        (parsers.address, "localhost:0", Address("localhost", 0)),
        (parsers.address, "[::1]:80", Address("::1", 80)),
        (parsers.url, "https://a.example/x/", "https://a.example/x"),
        (parsers.path, "/a", Path("/a")),
        (parsers.repository, "", ""),
        (parsers.repository, "acme/pod-upgrade.trigger", "acme/pod-upgrade.trigger"),
        (parsers.repository, "group/sub/name", "group/sub/name"),
    ],
)
def test_what_is_taken(parse: Parse, text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parsers.flag, "maybe"),
        (parsers.whole(least=1), "0"),
        (parsers.whole(), "-1"),
        (parsers.whole(), "1e3"),
        (parsers.whole(), "\u0661"),
        (parsers.seconds(), "1y"),
        (parsers.seconds(most=10), "11"),
        (parsers.share, "101"),
        (parsers.share, "-0.1"),
        (parsers.one_of("a", "b"), "c"),
        (parsers.address, "80"),
        (parsers.address, "::1:80"),
        (parsers.address, "host:99999"),
        (parsers.address, "[nope]:1"),
        (parsers.networks, "10.0.0.0/33"),
        (parsers.url, "ftp://x"),
        (parsers.url, "https://x/?q"),
        (parsers.path, "relative"),
        (parsers.repository, "name"),
        (parsers.repository, "../name"),
        (parsers.repository, "https://github.com/a/b"),
        (parsers.header_name, "Two Words"),
    ],
)
def test_what_is_refused(parse: Parse, text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_an_address_writes_itself_as_it_is_read() -> None:
    for text in ("127.0.0.1:80", "[::1]:80"):
        assert str(parsers.address(text)) == text
