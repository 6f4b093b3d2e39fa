"""From words to a command and its values. Strict: no abbreviations, nothing unknown, nothing twice.

`--name value` and `--name=value` are the same, `--` ends the options, options and words may mix.
Refused with code `usage` and the nearest thing that exists. Source of the conventions: POSIX 12.2 and the
GNU long options, without their abbreviations.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from podup.cli.row import Arg, Command
from podup.cli.table import COMMANDS, OLD_SPELLINGS, below, find
from podup.core.nearest import nearest
from podup.errors import Invalid
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """What the words ask for: a command with its values, or help on it."""

    command: Command
    values: Mapping[str, Any]
    wants_help: bool = False


@dataclass(frozen=True, slots=True)
class AskedForGroup:
    """Words that name several commands, such as `tasks --help`."""

    word: str


def parse(
    words: list[str], *, program: str, commands: tuple[Command, ...] = COMMANDS
) -> Asked | AskedForGroup:
    """Return what these words ask for. Raises Invalid (code `usage`) for what no command takes."""
    words = [OLD_SPELLINGS.get(words[0], words[0]), *words[1:]] if words else words
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    command, count = find(words, commands)
    if command is not None:
        rest = words[count:]
        if _wants_help(rest):
            return Asked(command, MappingProxyType({}), wants_help=True)
        return Asked(command, MappingProxyType(_values(command, rest, program=program)))
    if words and below(words[0], commands):
        if len(words) == 1 or words[1] in ("--help", "-h"):
            return AskedForGroup(words[0])
        raise _unknown(" ".join(words[:2]), [c.name for c in below(words[0], commands)], program=program)
    if not words:
        raise Invalid("usage", "no command was given", f"`{program} --help` lists them")
    first_words = dict.fromkeys(c.name.split()[0] for c in commands if not c.hidden)
    raise _unknown(words[0], [*first_words], program=program)


def _wants_help(words: list[str]) -> bool:
    before = words[: words.index("--")] if "--" in words else words
    return "--help" in before or "-h" in before


def _unknown(word: str, known: list[str], *, program: str) -> Invalid:
    what = "option" if word.startswith("-") else "command"
    return Invalid(
        "usage", f"there is no {what} {word!r}", _nearest(word, known) or f"`{program} --help` lists them"
    )


def _nearest(word: str, known: list[str]) -> str:
    near = nearest(word, known)
    return f"did you mean {near!r}?" if near else ""


def _values(command: Command, words: list[str], *, program: str) -> dict[str, Any]:
    hint = f"`{program} {command.name} --help` shows how it is used"
    given: dict[str, list[Any]] = {}
    loose: list[str] = []
    options = {arg.name: arg for arg in command.options}
    rest = iter(words)
    for word in rest:
        if word == "--":
            loose += rest
        elif word.startswith("-") and word != "-":
            name, equals, text = word.partition("=")
            arg = options.get(name)
            if arg is None:
                raise Invalid(
                    "usage", f"{command.name} has no option {name}", _nearest(name, [*options]) or hint
                )
            if arg.key in given and not arg.many:
                raise Invalid("usage", f"{name} is given twice", hint)
            given.setdefault(arg.key, []).append(
                _option_value(arg, text if equals else None, rest, hint=hint)
            )
        else:
            loose.append(word)
    _place(command, loose, given, hint=hint)
    return {arg.key: _final(arg, given.get(arg.key)) for arg in command.args}


def _option_value(arg: Arg, text: str | None, rest: Any, *, hint: str) -> Any:
    if arg.is_switch:
        if text is not None:
            raise Invalid("usage", f"{arg.name} takes no value", hint)
        return True
    if text is None:
        text = next(rest, None)
    if text is None:
        raise Invalid("usage", f"{arg.name} wants a value ({arg.value})", hint)
    return _typed(arg, text, hint=hint)


def _typed(arg: Arg, text: str, *, hint: str) -> Any:
    if arg.choices and text not in arg.choices:
        near = _nearest(text, [*arg.choices]) or hint
        raise Invalid("usage", f"{arg.name} is one of {', '.join(arg.choices)}, not {text!r}", near)
    try:
        return arg.parse(text)
    except ValueError as error:
        raise Invalid("usage", f"{arg.name}: {text!r} is not possible: {error}", hint) from error


def _place(command: Command, loose: list[str], given: dict[str, list[Any]], *, hint: str) -> None:
    """Give the words without an option to the positional arguments, in their order."""
    for arg in command.positionals:
        taken, loose = (loose, []) if arg.many else (loose[:1], loose[1:])
        if taken:
            given[arg.key] = [_typed(arg, text, hint=hint) for text in taken]
    if loose:
        raise Invalid("usage", f"{command.name} does not take {loose[0]!r}", hint)
    for arg in command.args:
        if arg.required and arg.key not in given:
            raise Invalid(
                "usage", f"{command.name} wants {arg.name if arg.is_option else arg.name.upper()}", hint
            )


def _final(arg: Arg, given: list[Any] | None) -> Any:
    if given is None:
        return arg.absent
    return tuple(given) if arg.many else given[-1]
