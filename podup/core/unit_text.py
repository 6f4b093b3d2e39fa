"""The syntax systemd unit files share with Quadlet files, and the words of their command lines.

Assignments in sections; comments start with # or ;, also in the middle of a continued line; a backslash at
the end continues with a space. An empty assignment forgets those before it; of a single value the last
assignment wins. Drop-ins are further texts read after the first. What is not an assignment is ignored.
Source: systemd.syntax(7), systemd.unit(5) "Specifiers", systemd.service(5) "Command lines".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from podup.errors import Invalid
from podup.patterns import regex
from podup.records import dataclass

_ESCAPE = regex(r"\\(x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[abfnrtvs\\\"'])")
_PLAIN_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_BRACED = regex(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BARE = regex(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_SPACE = " \t\n\r"


@dataclass(frozen=True, slots=True)
class UnitText:
    """What the files of one unit assign, in order: section, key, value."""

    assignments: tuple[tuple[str, str, str], ...]

    def every(self, section: str, key: str) -> tuple[str, ...]:
        """Return the values of a list: all since the last empty assignment."""
        found: list[str] = []
        for where, name, value in self.assignments:
            if (where, name) == (section, key):
                found = [*found, value] if value else []
        return tuple(found)

    def last(self, section: str, key: str) -> str:
        """Return a single value, empty when it is not set or was reset."""
        values = [value for where, name, value in self.assignments if (where, name) == (section, key)]
        return values[-1] if values else ""


def read_unit(texts: Iterable[str]) -> UnitText:
    """Read a unit file and its drop-ins, in the order systemd merges them."""
    return UnitText(tuple(found for text in texts for found in _assignments(text)))


def split_words(value: str) -> list[str]:
    """Return the words of a command line, quotes and C escapes undone; an open quote is Invalid."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    at = 0
    while at < len(value):
        letter = value[at]
        at += 1
        if letter == "\\" and (found := _ESCAPE.match(value, at - 1)):
            word, at = (word or "") + _unescape(found[1]), found.end()
        elif quote and letter == quote:
            quote = ""
        elif not quote and letter in "\"'":
            quote, word = letter, word or ""
        elif not quote and letter in _SPACE:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + letter
    if quote:
        raise Invalid("bad-unit-file", f"a quote is never closed: {value[:120]!r}")
    return words if word is None else [*words, word]


def expand_specifiers(value: str, unit: str) -> str:
    """Replace the specifiers that follow from the unit's name; the machine's own (%t, %h ...) stay."""
    stem = unit.rpartition(".")[0] or unit
    prefix, _, instance = stem.partition("@")
    last = prefix.rpartition("-")[2]
    known = {"%": "%", "n": unit, "N": stem, "p": prefix, "i": instance, "j": last}
    known |= {letter.upper(): unescape_name(known[letter]) for letter in "pij"}
    return re.sub(r"%(.)", lambda found: known.get(found[1], found[0]), value)


def unescape_name(name: str) -> str:
    """Undo systemd-escape: a dash is a slash, `\\x2d` a dash."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), name.replace("-", "/"))


def expand_variables(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Put in the values of `${NAME}`, and of `$NAME` that is a word of its own, which may become several.

    A name that is not known stays as it is written, so that nobody takes a guess for a fact.
    """
    expanded: list[str] = []
    for word in words:
        bare = _BARE.fullmatch(word)
        if bare is not None and bare[1] in environment:
            expanded += environment[bare[1]].split()
        else:
            expanded.append(_BRACED.sub(lambda found: _value(found, environment), word))
    return expanded


def read_environment(text: UnitText, unit: str) -> dict[str, str]:
    """Return what `Environment=` in [Service] sets; lines that cannot be read set nothing."""
    words = [word for line in text.every("Service", "Environment") for word in words_or_none(line)]
    return dict(expand_specifiers(word, unit).split("=", 1) for word in words if "=" in word)


def words_or_none(value: str) -> list[str]:
    """Return the words of `value`, none when it cannot be read: systemd ignores such a line too."""
    try:
        return split_words(value)
    except Invalid:
        return []


def _assignments(text: str) -> Iterator[tuple[str, str, str]]:
    section = ""
    for line in _logical_lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        key, equals, value = line.partition("=")
        if equals and section:
            yield section, key.strip(), value.strip()


def _logical_lines(text: str) -> Iterator[str]:
    begun: list[str] = []
    for raw in text.split("\n"):
        line = raw.lstrip(_SPACE).removesuffix("\r")
        if line.startswith(("#", ";")):
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            begun.append(line[:-1])
            continue
        yield " ".join([*begun, line]).rstrip(_SPACE)
        begun = []
    if begun:
        yield " ".join(begun)


def _unescape(code: str) -> str:
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "\ufffd"
    if len(code) == 3:
        return chr(int(code, 8))
    return _PLAIN_ESCAPES.get(code, code)


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    return "$" if found[0] == "$$" else environment.get(found[1], found[0])
