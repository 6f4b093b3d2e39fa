"""What a task can see and do: the toolbox its queries and actions are answered with.

`observers` and `performers` are tables from a query's or action's class to the function that serves it;
`together` holds those that answer several queries of a class at once, with one command. A kind with effects
of its own adds rows to these tables; nothing else in the engine changes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from podup.errors import PodupError
from podup.late import late
from podup.recipes.verbs import Action, Facts, Query, Unknown
from podup.records import dataclass, field

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = late("concurrent.futures")

_AT_A_TIME = 4
_ROUNDS = 8

Observer = Callable[[Any], Any]
Together = Callable[[Sequence[Any]], Sequence[Any]]
Performer = Callable[[Any], Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """The functions that answer queries and carry out actions on one machine."""

    observers: Mapping[type[Query], Observer]
    performers: Mapping[type[Action], Performer]
    together: Mapping[type[Query], Together] = field(default_factory=dict)

    def with_(self, other: "World") -> "World":
        """Return the rows of both; where both have one, `other` wins."""
        return World(
            {**self.observers, **other.observers},
            {**self.performers, **other.performers},
            {**self.together, **other.together},
        )

    def observe(self, query: Query) -> Any:
        """Return the answer to `query`, or `Unknown` with the reason it could not be had."""
        return self.observe_all((query,))[query]

    def observe_all(self, queries: Sequence[Query]) -> Facts:
        """Return the answers to all queries, several asked at a time: most wait for a command each."""
        looks: list[Callable[[], Facts]] = []
        for kind in dict.fromkeys(type(query) for query in queries):
            alike = [query for query in queries if type(query) is kind]
            if kind in self.together:
                looks.append(partial(self._look_together, alike))
            else:
                looks += [partial(self._look, query) for query in alike]
        seen = Facts()
        for facts in at_once(looks):
            seen = seen.with_(facts)
        return seen

    def observe_needs(self, needs: Callable[[Facts], Sequence[Query]]) -> Facts:
        """Return what `needs` wants; it is asked again with what was seen until it wants nothing new."""
        seen = Facts()
        for _ in range(_ROUNDS):
            wanted = [query for query in needs(seen) if query not in seen]
            if not wanted:
                break
            seen = seen.with_(self.observe_all(wanted))
        return seen

    def _look(self, query: Query) -> Facts:
        try:
            return Facts({query: self.observers[type(query)](query)})
        except PodupError as error:
            return Facts({query: Unknown(error.code, error.message, error.hint)})

    def _look_together(self, queries: Sequence[Query]) -> Facts:
        try:
            answers = self.together[type(queries[0])](queries)
        except PodupError as error:
            return Facts({query: Unknown(error.code, error.message, error.hint) for query in queries})
        return Facts(dict(zip(queries, answers, strict=True)))

    def perform(self, action: Action) -> None:
        """Carry out `action`. Raises PodupError when it fails."""
        self.performers[type(action)](action)


def at_once(looks: Sequence[Callable[[], T]]) -> list[T]:
    """Return what each call returns, several running at a time; the first error in this order is raised."""
    if len(looks) < 2:
        return [look() for look in looks]
    with futures.ThreadPoolExecutor(_AT_A_TIME) as threads:
        return list(threads.map(lambda look: look(), looks))
