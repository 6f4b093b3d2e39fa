"""What a row of the command table is made of. Light on purpose: `--help` loads this and little else."""

from collections.abc import Callable
from typing import Any

from podup.records import dataclass


def whole(text: str, *, least: int = 0) -> int:
    """Return the whole number `text` writes. Raises ValueError with what was wanted."""
    if not (text.isascii() and text.isdigit()) or int(text[:20]) < least:
        raise ValueError(f"want a whole number from {least}")
    return int(text[:20])  # beyond every limit, and int() refuses thousands of digits


def at_least_one(text: str) -> int:
    """Return the number of things to show. Raises ValueError."""
    return whole(text, least=1)


@dataclass(frozen=True, slots=True)
class Arg:
    """One word a command takes.

    `name` is `--option` or, for a positional word, the name it is given under (`units`). An option with an
    empty `value` is a switch (False or True); else `value` is its placeholder in help. `many` collects a
    tuple: of all positional words, or of every use of the option. `parse` turns the text into the value and
    raises ValueError with what was wrong. `default` is what an absent word becomes.
    """

    name: str
    says: str
    value: str = ""
    parse: Callable[[str], Any] = str
    default: Any = None
    choices: tuple[str, ...] = ()
    many: bool = False
    required: bool = False

    @property
    def is_option(self) -> bool:
        return self.name.startswith("-")

    @property
    def is_switch(self) -> bool:
        return self.is_option and not self.value

    @property
    def key(self) -> str:
        """The name its value has in the parsed arguments."""
        return self.name.lstrip("-").replace("-", "_")

    @property
    def absent(self) -> Any:
        """What it becomes when it is not given."""
        if self.is_switch:
            return False
        return () if self.many and self.default is None else self.default


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words, the module that runs it, and all that help and completion show.

    `name` may have two words (`tasks list`). `module` is loaded when the command runs and no earlier; its
    function `run` (another name in `function`) takes the parsed arguments and the context, and returns the
    exit code. `group` is the heading in the overview. A `hidden` command is called by other programs.
    """

    name: str
    module: str
    says: str
    args: tuple[Arg, ...] = ()
    examples: tuple[str, ...] = ()
    group: str = "This program"
    function: str = "run"
    hidden: bool = False

    @property
    def options(self) -> tuple[Arg, ...]:
        return tuple(arg for arg in self.args if arg.is_option)

    @property
    def positionals(self) -> tuple[Arg, ...]:
        return tuple(arg for arg in self.args if not arg.is_option)


JSON = Arg("--json", "print JSON in place of a table")
YES = Arg("--yes", "do not ask")
NO_WAIT = Arg("--no-wait", "print the task's id and return")
VERBOSE = Arg("--verbose", "show the output of every command")
DRY_RUN = Arg("--dry-run", "show what would be done, change nothing")
CALLER = Arg("--caller", "who asks; shown with the task", value="NAME", default="")
REASON = Arg("--reason", "why; shown with the task", value="TEXT", default="")
