"""A `.env` file as compose engines read it, and one variable of it replaced without touching another byte.

Read are `NAME=value`, `export NAME=value`, single quotes (literal), double quotes (with the escapes
`\\n \\r \\t \\" \\\\ \\$`), values over several lines in quotes, and comments; the last assignment of a name
holds. `${NAME}` and `${NAME:-default}` outside single quotes stand for what is assigned further up; a `$`
without braces is one, as podman-compose has it (docker compose, which differs, reads the file itself).
Line ends (LF or CRLF), a byte order mark, quotes, comments, spacing and bytes that are not UTF-8 stay as they
are. Refused: a quote that never ends, and a new value that would need quoting.
Source: the env-file syntax of the Compose specification.
"""

import re
from collections.abc import Mapping

from podup.errors import Invalid
from podup.patterns import regex
from podup.records import dataclass

_BOM = "\ufeff"
_START = regex(r"[^\S\r\n]*(?:export[^\S\r\n]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[^\S\r\n]*=[^\S\r\n]*")
_PLAIN = regex(r"[A-Za-z0-9_.:/@+-]*")
_REFERENCE = regex(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)(?::-(?P<default>[^}]*))?\}")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


@dataclass(frozen=True, slots=True)
class Assignment:
    """One `NAME=value`: `value` without quotes, and where its raw form stands in the text."""

    name: str
    value: str
    start: int
    end: int
    quote: str = ""


def assignments(data: bytes) -> tuple[Assignment, ...]:
    """Return all assignments in order. Raises Invalid for a quote that never ends."""
    text = _text(data)
    found: list[Assignment] = []
    at = len(_BOM) if text.startswith(_BOM) else 0
    while at < len(text):
        match = _START.match(text, at)
        if match is None:
            at = _next_line(text, at)
            continue
        item = _assignment(text, match["name"], match.end())
        found.append(item)
        at = _next_line(text, item.end)
    return tuple(found)


def variables(data: bytes) -> dict[str, str]:
    """Return name -> value; the last assignment of a name holds, and what values refer to is filled in."""
    known: dict[str, str] = {}
    for item in assignments(data):
        known[item.name] = item.value if item.quote == "'" else _filled(item.value, known)
    return known


def duplicates(data: bytes) -> tuple[str, ...]:
    """Return the names that are assigned more than once."""
    names = [item.name for item in assignments(data)]
    return tuple(sorted({name for name in names if names.count(name) > 1}))


def replace(data: bytes, name: str, value: str) -> bytes:
    """Return the file with `name` set to `value`; appended when it was not there.

    Of several assignments the last one, which is the one that holds, is changed. Raises Invalid for a
    value that would need quoting.
    """
    if not _PLAIN.fullmatch(value):
        raise Invalid("env-value-not-plain", f"{value!r} cannot be written into a .env file without quoting")
    text = _text(data)
    held = [item for item in assignments(data) if item.name == name]
    if held:
        last = held[-1]
        text = text[: last.start] + last.quote + value + last.quote + text[last.end :]
    else:
        newline = "\r\n" if "\r\n" in text else "\n"
        if text and text != _BOM and not text.endswith("\n"):
            text += newline
        text += f"{name}={value}{newline}"
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _next_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _assignment(text: str, name: str, start: int) -> Assignment:
    quote = text[start : start + 1]
    if quote in ("'", '"'):
        end = _closing(text, start + 1, quote)
        if end < 0:
            line = text.count("\n", 0, start) + 1
            says = f"line {line}: the value of {name} opens a quote that never closes"
            raise Invalid("env-quote-open", says, "close it in .env")
        raw = text[start + 1 : end]
        return Assignment(name, raw if quote == "'" else _unescape(raw), start, end + 1, quote)
    end = start
    while end < len(text) and text[end] not in "\r\n":
        if text[end] == "#" and (end == start or text[end - 1] in " \t"):
            break
        end += 1
    value = text[start:end].rstrip(" \t")
    return Assignment(name, value, start, start + len(value))


def _closing(text: str, at: int, quote: str) -> int:
    while at < len(text):
        if text[at] == "\\" and quote == '"':
            at += 2
        elif text[at] == quote:
            return at
        else:
            at += 1
    return -1


def _filled(value: str, known: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda found: known.get(found["name"]) or found["default"] or "", value)


def _unescape(raw: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), raw, flags=re.DOTALL)
