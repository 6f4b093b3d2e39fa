"""The word that was meant."""

import pytest

from podup.core.nearest import nearest

KNOWN = ("deploy", "rollback", "tasks list", "tasks show", "settings", "events", "--force", "PODUP_HTTP_ADDR")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("depoly", "deploy"),
        ("deplyo", "deploy"),
        ("setings", "settings"),
        ("rolback", "rollback"),
        ("tasks lst", "tasks list"),
        ("--forse", "--force"),
        ("--for", "--force"),
        ("PODUP_HTTP_ADR", "PODUP_HTTP_ADDR"),
        ("roll", "rollback"),
        ("xyz", ""),
        ("ev", ""),
        ("", ""),
        ("history", ""),
    ],
)
def test_nearest(word: str, expected: str) -> None:
    assert nearest(word, KNOWN) == expected
