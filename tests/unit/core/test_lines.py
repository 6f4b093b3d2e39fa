"""Folding at spaces."""

import pytest

from podup.core.lines import fold


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("short", ["short"]),
        ("exactly ten", ["exactly", "  ten"]),
        ("   a bc def ghi", ["   a bc", "  def ghi"]),
        ("1 s   a: b c", ["1 s   a: b", "  c"]),
        ("sha256:5f2c8e1d9a40 is", ["sha256:5f2c8e1d9a40", "  is"]),
        ("is sha256:5f2c8e1d9a40", ["is", "  sha256:5f2c8e1d9a40"]),
    ],
)
def test_fold(text: str, lines: list[str]) -> None:
    assert fold(text, 10, indent=2) == lines
