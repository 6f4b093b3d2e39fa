"""Asking several things at once: each gets its own answer, and one failure spoils only what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from podup.engine.world import World, at_once
from podup.errors import NotFound, PodupError
from podup.recipes.verbs import Query, Unknown


@dataclass(frozen=True, slots=True)
class Weight(Query):
    """What a thing weighs."""

    thing: str


@dataclass(frozen=True, slots=True)
class Colour(Query):
    """What colour a thing has."""

    thing: str


class Shop:
    """Knows two things; its scales take all that is to be weighed at once."""

    def __init__(self) -> None:
        self.weighings: list[tuple[str, ...]] = []

    def world(self) -> World:
        return World({Colour: self.colour}, {}, together={Weight: self.weights})

    def colour(self, query: Colour) -> str:
        if query.thing == "ghost":
            raise NotFound("no-colour", "a ghost has no colour", "look elsewhere")
        return {"apple": "red", "plum": "blue"}[query.thing]

    def weights(self, queries: Sequence[Weight]) -> list[int]:
        self.weighings.append(tuple(query.thing for query in queries))
        if any(query.thing == "ghost" for query in queries):
            raise PodupError("no-weight", "the scales do not move")
        return [len(query.thing) for query in queries]


def test_queries_of_a_class_are_answered_together_each_with_its_own() -> None:
    shop = Shop()
    seen = shop.world().observe_all((Weight("apple"), Colour("plum"), Weight("plum"), Colour("ghost")))
    assert (seen[Weight("apple")], seen[Weight("plum")], seen[Colour("plum")]) == (5, 4, "blue")
    assert seen[Colour("ghost")] == Unknown("no-colour", "a ghost has no colour", "look elsewhere")
    assert shop.weighings == [("apple", "plum")]
    assert shop.world().observe(Weight("plum")) == 4
    assert dict(shop.world().observe_all(())) == {}


def test_what_fails_together_is_unknown_together() -> None:
    seen = Shop().world().observe_all((Weight("apple"), Weight("ghost"), Colour("apple")))
    assert seen[Weight("apple")] == seen[Weight("ghost")] == Unknown("no-weight", "the scales do not move")
    assert seen[Colour("apple")] == "red"


def test_worlds_are_joined_table_by_table() -> None:
    joined = Shop().world().with_(World({Colour: lambda query: "grey"}, {}))
    assert joined.observe(Colour("apple")) == "grey" and joined.observe(Weight("plum")) == 4


def test_calls_made_at_once_give_their_answers_in_order_and_the_first_error() -> None:
    assert at_once([lambda: 1, lambda: 2, lambda: 3]) == [1, 2, 3]
    with pytest.raises(NotFound):
        at_once([lambda: "well", lambda: Shop().colour(Colour("ghost"))])
