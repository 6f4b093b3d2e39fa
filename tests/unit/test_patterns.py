"""An expression is compiled at its first use and is as one of `re` from then on; all of ours are right."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

import podup
from podup import patterns
from podup.patterns import regex


def test_it_is_compiled_at_its_first_use() -> None:
    word = regex(r"(?P<first>\w)\w*", re.IGNORECASE)
    assert "fullmatch" not in vars(word)
    found = word.fullmatch("Word")
    assert found is not None and found["first"] == "W"
    assert "fullmatch" in vars(word)
    assert word.pattern == r"(?P<first>\w)\w*"
    assert word.groupindex == {"first": 1}
    assert word.sub("x", "two words") == "x x"
    assert word.flags & re.IGNORECASE


def test_a_wrong_one_is_told_when_it_is_used() -> None:
    wrong = regex("(")
    with pytest.raises(re.error):
        wrong.search("x")


def test_what_re_does_not_have_it_does_not_have() -> None:
    with pytest.raises(AttributeError):
        regex("x").no_such_thing  # type: ignore[attr-defined]  # noqa: B018


def test_all_expressions_of_the_program_compile() -> None:
    root = Path(podup.__file__).parent
    for path in root.rglob("*.py"):
        if path.stem not in ("__main__", "loader"):
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            import_module(name.removesuffix(".__init__"))
    kind = patterns.Pattern  # type: ignore[attr-defined]
    found = [
        value
        for name, module in list(sys.modules.items())
        if name.startswith("podup.")
        for value in vars(module).values()
        if isinstance(value, kind)
    ]
    assert len(found) > 50
    for one in found:
        assert one.groups >= 0
