import inspect

import pytest

from podup import records as dataclasses
from podup.recipes import facts
from podup.recipes.codec import decode, encode
from podup.recipes.verbs import Action, Query

CLASSES = [cls for _, cls in inspect.getmembers(facts, dataclasses.is_dataclass)]


def example(cls: type) -> object:
    words = {"str": "a", "int": 7, "float": 1.5, "bool": True, "HealthCheck": facts.HealthCheck(5.0)}
    given = {}
    for field in dataclasses.fields(cls):
        kind = getattr(field.type, "__name__", "")
        given[field.name] = (("k", "v"),) if "tuple" in str(field.type) else words[kind]
    return cls(**given)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_survives_the_journal_and_can_be_a_key(cls: type) -> None:
    value = example(cls)
    assert decode(encode(value)) == value
    if issubclass(cls, Query | Action):
        assert hash(value) == hash(decode(encode(value)))


def test_a_probe_is_named_by_the_units_files() -> None:
    config = facts.UnitConfig("web.service", labels=(("a", "b"), (facts.PROBE_LABEL, "tcp://127.0.0.1:80")))
    assert config.probe == "tcp://127.0.0.1:80"
    assert facts.UnitConfig("web.service").probe == ""
