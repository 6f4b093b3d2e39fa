"""What a command is given besides its arguments: the terminal, and what is built when it is asked for."""

from collections.abc import Callable
from typing import Any

from podup.cli.output import Output
from podup.records import dataclass
from podup.settings.load import Loaded


@dataclass(frozen=True, slots=True)
class Context:
    """`program` is the name the user typed. `settings()` and `app()` load on first use and are then kept.

    `app()` is the object `podup.app` builds from the settings; a command that never asks for it never pays
    for it.
    """

    program: str
    out: Output
    settings: Callable[[], Loaded]
    app: Callable[[], Any]
