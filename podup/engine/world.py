"""What a task can see and do: the toolbox its queries and actions are answered with.

`observers` and `performers` are tables from a query's or action's class to the function that serves it.
A kind with effects of its own adds rows to these tables; nothing else in the engine changes.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from podup.errors import PodupError
from podup.recipes.verbs import Action, Facts, Query, Unknown
from podup.records import dataclass

_AT_A_TIME = 4

Observer = Callable[[Any], Any]
Performer = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class World:
    """The functions that answer queries and carry out actions on one machine."""

    observers: Mapping[type[Query], Observer]
    performers: Mapping[type[Action], Performer]

    def with_(self, other: "World") -> "World":
        """Return the rows of both; where both have one, `other` wins."""
        return World({**self.observers, **other.observers}, {**self.performers, **other.performers})

    def observe(self, query: Query) -> Any:
        """Return the answer to `query`, or `Unknown` with the reason it could not be had."""
        try:
            return self.observers[type(query)](query)
        except PodupError as error:
            return Unknown(error.code, error.message, error.hint)

    def observe_all(self, queries: Sequence[Query]) -> Facts:
        """Return the answers to all queries, several asked at a time: most wait for a command each."""
        if len(queries) < 2:
            return Facts({query: self.observe(query) for query in queries})
        with ThreadPoolExecutor(_AT_A_TIME) as threads:
            return Facts(dict(zip(queries, threads.map(self.observe, queries), strict=True)))

    def perform(self, action: Action) -> None:
        """Carry out `action`. Raises PodupError when it fails."""
        self.performers[type(action)](action)
