"""What a simulated program is: a function from a call on the machine to an answer, in one go or with waits.

A program that takes time is a generator: it yields how many seconds to let pass, during which others may
change the machine, and returns its answer.
"""

from collections.abc import Callable, Generator, Mapping

from podup.host.simulator.parts import Machine
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """A command: `words` are its arguments without the program's name, `tell` prints a line to stderr."""

    words: tuple[str, ...]
    stdin: bytes
    env: Mapping[str, str]
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """How it ended."""

    stdout: str = ""
    stderr: str = ""
    exit: int = 0


Working = Generator[float, None, Answer]


@dataclass(frozen=True, slots=True)
class Program:
    """`run` does it; `changes` says whether these words change the machine."""

    run: Callable[[Machine, Call], Answer | Working]
    changes: Callable[[tuple[str, ...]], bool]


class NotSimulated(Exception):
    """The simulator was asked for something it does not know: a gap in it, not a fault of the machine."""

    def __init__(self, program: str, words: tuple[str, ...]) -> None:
        super().__init__(f"the simulator does not know: {program} {' '.join(words)}")


def split_options(words: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Split `--name=value` and `--name` from the other words; everything behind `--` is a word."""
    options: dict[str, str] = {}
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += queue
            break
        if word.startswith("-"):
            name, _, value = word.partition("=")
            options[name] = value
        else:
            rest.append(word)
    return options, rest
