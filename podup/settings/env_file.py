"""Environment files as systemd reads them, and text that it reads back.

Source: systemd.exec(5) EnvironmentFile= and systemd's env-file.c: `#` and `;` begin comment lines, a
backslash joins lines, quotes may stand anywhere in a value, inside double quotes a backslash escapes only
`"`, `\\`, `` ` `` and `$`. Nothing is expanded. A later line wins.
"""

import re
from enum import Enum, auto

from podup.patterns import regex

_NAME = regex(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED_IN_DOUBLE = '"\\`$'
_SPACE = " \t\r"


class _In(Enum):
    KEY = auto()
    BEFORE_VALUE = auto()
    VALUE = auto()
    ESCAPE = auto()
    SINGLE = auto()
    DOUBLE = auto()
    DOUBLE_ESCAPE = auto()
    COMMENT = auto()


def parse(text: str) -> tuple[dict[str, str], list[str]]:
    """Return name -> value, and one sentence a line that is not an assignment."""
    reader = _Reader()
    for character in text + "\n":
        reader.take(character)
    return reader.values, reader.complaints


class _Reader:
    """The automaton of env-file.c, one character at a time."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.complaints: list[str] = []
        self._line = 1
        self._start()

    def _start(self) -> None:
        self._state = _In.KEY
        self._key = ""
        self._value = ""
        self._kept = 0  # how much of the value trailing space may not be taken from

    def take(self, character: str) -> None:
        state = self._state
        if state is _In.KEY:
            self._take_key(character)
        elif state in (_In.BEFORE_VALUE, _In.VALUE):
            self._take_value(character)
        elif state is _In.COMMENT:
            if character == "\n":
                self._start()
        else:
            self._take_quoted(character)
        if character == "\n":
            self._line += 1

    def _take_key(self, character: str) -> None:
        if character in "#;" and not self._key.strip():
            self._state = _In.COMMENT
        elif character == "=":
            self._state = _In.BEFORE_VALUE
        elif character == "\n":
            if self._key.strip():
                self.complaints.append(f"line {self._line} is not NAME=VALUE")
            self._start()
        else:
            self._key += character

    def _take_value(self, character: str) -> None:
        if character == "\n":
            self._finish()
        elif character == "\\":
            self._state = _In.ESCAPE
        elif self._state is _In.BEFORE_VALUE and character in "'\"":
            self._state = _In.SINGLE if character == "'" else _In.DOUBLE
        elif self._state is _In.BEFORE_VALUE and character in _SPACE:
            return
        else:
            self._state = _In.VALUE
            self._value += character

    def _take_quoted(self, character: str) -> None:
        if self._state is _In.ESCAPE:
            self._state = _In.VALUE
            self._keep("" if character == "\n" else character)
        elif self._state is _In.SINGLE:
            self._keep_or_end(character, "'")
        elif self._state is _In.DOUBLE_ESCAPE:
            self._state = _In.DOUBLE
            if character != "\n":
                self._keep(character if character in _ESCAPED_IN_DOUBLE else f"\\{character}")
        elif character == "\\":
            self._state = _In.DOUBLE_ESCAPE
        else:
            self._keep_or_end(character, '"')

    def _keep_or_end(self, character: str, quote: str) -> None:
        if character == quote:
            self._state = _In.BEFORE_VALUE
        else:
            self._keep(character)

    def _keep(self, text: str) -> None:
        self._value += text
        self._kept = len(self._value)

    def _finish(self) -> None:
        name = self._key.strip()
        value = self._value[: self._kept] + self._value[self._kept :].rstrip(_SPACE)
        if _NAME.fullmatch(name):
            self.values[name] = value
        else:
            self.complaints.append(f"line {self._line}: {name!r} is not a name")
        self._start()


def quoted(value: str) -> str:
    """Return `value` as it stands behind the equals sign, so that `parse` and systemd give it back."""
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./~-]*", value):
        return value
    return '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'
