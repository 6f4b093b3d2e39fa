"""Variables inside the values of a compose file, as the Compose specification has them.

`$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`,
`${NAME:+instead}`, `${NAME+instead}` and `$$`; defaults may hold variables themselves. With a colon an
empty value counts as not set. A variable that is not set and has no default becomes empty and is listed,
as the engines do with a warning; one with a message is listed with it.
"""

from collections.abc import Mapping
from typing import Any

from podup.errors import Invalid
from podup.patterns import regex

_NAME = regex(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = regex(r":?[-?+]")


class Missing:
    """What was looked for and not set: names, and name -> message where the file demands one."""

    def __init__(self) -> None:
        self.unset: set[str] = set()
        self.required: dict[str, str] = {}


def fill(tree: Any, values: Mapping[str, str], missing: Missing) -> Any:
    """Return `tree` with every string in it filled in, keys left alone; notes in `missing`."""
    if isinstance(tree, str):
        return fill_text(tree, values, missing)
    if isinstance(tree, dict):
        return {key: fill(item, values, missing) for key, item in tree.items()}
    if isinstance(tree, list):
        return [fill(item, values, missing) for item in tree]
    return tree


def fill_text(text: str, values: Mapping[str, str], missing: Missing) -> str:
    """Return `text` filled in. Raises Invalid for a form the specification does not have."""
    parts: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        value, at = _variable(text, dollar, values, missing)
        parts.append(value)
    parts.append(text[at:])
    return "".join(parts)


def _variable(text: str, dollar: int, values: Mapping[str, str], missing: Missing) -> tuple[str, int]:
    if text.startswith("$$", dollar):
        return "$", dollar + 2
    if plain := _NAME.match(text, dollar + 1):
        return _value(plain[0], "", "", values, missing), plain.end()
    if not text.startswith("${", dollar):
        raise Invalid("variable-not-understood", f"a lone $ in {text!r}", "write $$ for a dollar sign")
    end = _closing_brace(text, dollar + 2)
    inner = text[dollar + 2 : end]
    name = _NAME.match(inner)
    rest = inner[name.end() :] if name else inner
    operator = _OPERATOR.match(rest)
    if name is None or (rest and operator is None):
        raise Invalid("variable-not-understood", f"${{{inner}}} is no form compose files have")
    argument = rest[operator.end() :] if operator else ""
    return _value(name[0], operator[0] if operator else "", argument, values, missing), end + 1


def _closing_brace(text: str, at: int) -> int:
    depth = 1
    for end in range(at, len(text)):
        if text.startswith("${", end):
            depth += 1
        elif text[end] == "}":
            depth -= 1
            if depth == 0:
                return end
    raise Invalid("variable-not-understood", f"a brace does not close in {text!r}")


def _value(name: str, operator: str, argument: str, values: Mapping[str, str], missing: Missing) -> str:
    value = values.get(name)
    is_set = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return fill_text(argument, values, missing) if is_set else ""
    if is_set:
        return value or ""
    if operator.endswith("-"):
        return fill_text(argument, values, missing)
    if operator.endswith("?"):
        missing.required[name] = argument or "has to be set"
    else:
        missing.unset.add(name)
    return ""
