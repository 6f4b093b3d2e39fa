import pytest

from podup.core.interpolation import Missing, fill, fill_text
from podup.errors import Invalid

VALUES = {"TAG": "sha-1", "EMPTY": "", "OTHER": "x"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("a:$TAG", "a:sha-1"),
        ("a:${TAG}b", "a:sha-1b"),
        ("${TAG:-d}", "sha-1"),
        ("${NO:-d}", "d"),
        ("${NO-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${EMPTY:-d}", "d"),
        ("${NO:-${TAG}}", "sha-1"),
        ("${NO:-${NO2:-deep}}", "deep"),
        ("${TAG:+with}", "with"),
        ("${NO:+with}", ""),
        ("${TAG:?must}", "sha-1"),
        ("$$TAG", "$TAG"),
        ("$$$TAG", "$sha-1"),
        ("${NO:-a:b/c}", "a:b/c"),
    ],
)
def test_forms(text: str, filled: str) -> None:
    assert fill_text(text, VALUES, Missing()) == filled


def test_lists_what_is_not_set() -> None:
    missing = Missing()
    assert fill({"a": ["$NO", "${EMPTY:?say it}"], "${KEY}": True}, VALUES, missing) == {
        "a": ["", ""],
        "${KEY}": True,
    }
    assert missing.unset == {"NO"}
    assert missing.required == {"EMPTY": "say it"}


@pytest.mark.parametrize("text", ["$", "a $ b", "${TAG", "${}", "${TAG!x}", "${TAG:=x}", "$(cmd)"])
def test_refuses_other_forms(text: str) -> None:
    with pytest.raises(Invalid):
        fill_text(text, VALUES, Missing())
