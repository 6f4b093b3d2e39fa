"""Records behave as the standard library's dataclasses do, side by side with them."""

import copy
import dataclasses
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from podup import records


class Query:
    __slots__ = ()


def declare(library: Any) -> tuple[type[Any], type[Any], type[Any]]:
    """Return the same three classes, made by records or by dataclasses."""

    @library.dataclass(frozen=True, slots=True)
    class Base(Query):
        """Has a docstring."""

        name: str
        size: int = 1

    @library.dataclass(frozen=True, slots=True)
    class Longer(Base):
        note: str = library.field(default="", compare=False, repr=False)
        tags: Mapping[str, int] = library.field(default_factory=dict, metadata={"row": 1}, compare=False)

        def __post_init__(self) -> None:
            if not self.name:
                raise ValueError("a name is wanted")

    @library.dataclass(frozen=True, slots=True)
    class Empty(Query):
        pass

    return Base, Longer, Empty


Base, Longer, Empty = declare(records)
BOTH = [pytest.param((Base, Longer, Empty), records, id="records")]
BOTH += [pytest.param(declare(dataclasses), dataclasses, id="dataclasses")]


@records.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: tuple[int, ...] = ()


@records.dataclass(frozen=True, slots=True, eq=False)
class Resource:
    path: str


@pytest.mark.parametrize(("classes", "library"), BOTH)
def test_construction_comparison_and_text(classes: tuple[type[Any], ...], library: Any) -> None:
    base, longer, empty = classes
    one, two = longer("a", note="x"), longer(name="a", size=1, note="y", tags={"k": 2})
    assert one == two and hash(one) == hash(two) and len({one, two}) == 1
    assert one != longer("a", 2) and one != base("a") and empty() == empty() and empty() != one
    assert (one.tags, two.tags, one.size) == ({}, {"k": 2}, 1)
    assert one.tags is not longer("a").tags
    assert repr(two).endswith("Longer(name='a', size=1, tags={'k': 2})")
    assert repr(empty()).endswith("Empty()")
    assert longer.__match_args__ == ("name", "size", "note", "tags")
    with pytest.raises(ValueError, match="a name is wanted"):
        longer("")
    for wrong in (lambda: base(), lambda: base("a", 1, 2), lambda: base("a", other=1)):
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            wrong()


@pytest.mark.parametrize(("classes", "library"), BOTH)
def test_nothing_can_be_set_or_deleted(classes: tuple[type[Any], ...], library: Any) -> None:
    value = classes[0]("a")
    with pytest.raises(AttributeError, match="field 'name'"):
        value.name = "b"
    with pytest.raises(AttributeError, match="field 'name'"):
        del value.name
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize("tools", [records, dataclasses])
@pytest.mark.parametrize(("classes", "library"), BOTH[:1])
def test_the_functions_of_both_take_records(classes: Any, library: Any, tools: Any) -> None:
    value = Longer("a", tags={"k": 1})
    assert tools.is_dataclass(value) and tools.is_dataclass(Longer) and not tools.is_dataclass("a")
    assert [f.name for f in tools.fields(Longer)] == ["name", "size", "note", "tags"]
    assert [f.type for f in tools.fields(value)][:2] == [str, int]
    assert tools.fields(Longer)[3].metadata["row"] == 1
    assert tools.fields(Base)[0].default is tools.MISSING and tools.fields(Base)[1].default == 1
    assert tools.fields(Longer)[3].default_factory is dict
    assert tools.replace(value, name="b") == Longer("b")
    assert tools.asdict(value) == {"name": "a", "size": 1, "note": "", "tags": {"k": 1}}


def test_asdict_goes_into_what_is_inside() -> None:
    assert records.asdict(Longer("a", tags={"k": Point(1)}))["tags"] == {"k": {"x": 1, "y": ()}}  # type: ignore[dict-item]
    assert records.asdict(Point(1, (Point(2),))) == {"x": 1, "y": ({"x": 2, "y": ()},)}  # type: ignore[arg-type]


def test_a_standard_dataclass_can_inherit_from_a_record() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class More(Base):
        more: int = 3

    assert (More("a").name, More("a").more) == ("a", 3)


def test_copies_and_pickles() -> None:
    point = Point(1, (2,))
    assert copy.copy(point) == copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point


def test_a_resource_is_equal_to_itself_only() -> None:
    one = Resource("a")
    assert one == one and one != Resource("a") and hash(one) != hash(Resource("a"))


def test_the_constructor_is_compiled_when_there_are_more_than_a_few() -> None:
    fresh, *_ = declare(records)
    before = fresh.__init__
    made = [fresh("a", size=number) for number in range(4)]
    assert fresh.__init__ is before
    made += [fresh("a", size=4)]
    assert fresh.__init__ is not before
    assert made == [fresh("a", size=number) for number in range(5)]
    assert "__init__" not in vars(type("Sub", (fresh,), {"__slots__": ()}))


@pytest.mark.parametrize("words", [{}, {"name": "a", "nam": 1}, {"name": "a", "size": 1, "x": 2}])
def test_wrong_arguments_are_told_from_the_first_instance_on(words: dict[str, Any]) -> None:
    for already in (0, 6):
        fresh, *_ = declare(records)
        for _ in range(already):
            fresh("a")
        with pytest.raises(TypeError, match="__init__"):
            fresh(**words)
        with pytest.raises(TypeError, match="multiple values"):
            fresh("a", name="b")
        with pytest.raises(TypeError, match="positional argument"):
            fresh(*range(20))


def test_only_frozen_and_slotted() -> None:
    with pytest.raises(TypeError, match="frozen and slotted"):
        records.dataclass(frozen=True, slots=False)
