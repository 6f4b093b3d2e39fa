"""When tokens were used is written by turns, and no use waits for ever."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from whole import Whole

from podup.api.token_uses import TokenUses
from podup.store import tokens
from podup.store.db import Connection
from podup.store.tokens import Token


class Slow:
    """A store in which something happens while it is written to."""

    def __init__(self, whole: Whole, meanwhile: Callable[[], None]) -> None:
        self.read = whole.database.read
        self._write = whole.database.write
        self._meanwhile = meanwhile

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._write() as cx:
            yield cx
            self._meanwhile()


def add(whole: Whole, name: str) -> Token:
    token = Token(name, name, f"hash of {name}", ("admin",), 0.0)
    with whole.database.write() as cx:
        tokens.insert(cx, token)
    return token


def last_used(whole: Whole) -> dict[str, float | None]:
    with whole.database.read() as cx:
        return {token.name: token.last_used_at for token in tokens.all_tokens(cx)}


def test_a_use_that_comes_while_others_are_written_asks_for_a_turn_of_its_own(whole: Whole) -> None:
    one, two, wakes = add(whole, "one"), add(whole, "two"), list[str]()
    slow = Slow(whole, lambda: uses.note(two))
    uses = TokenUses(slow, whole.clock, wake=lambda: wakes.append("wake"))
    uses.note(one)
    uses.note(one)
    assert len(wakes) == 1
    uses.turn()
    assert len(wakes) == 2
    uses.turn()
    assert last_used(whole) == {"one": whole.clock.now(), "two": whole.clock.now()}


def test_a_clock_that_was_set_back_does_not_keep_uses_from_being_written(whole: Whole) -> None:
    add(whole, "one")
    for now_s in (9000.0, 5000.0, 5030.0):
        with whole.database.write() as cx:
            tokens.used(cx, "one", now_s=now_s)
    assert last_used(whole) == {"one": 5000.0}
