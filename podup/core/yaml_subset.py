"""The small part of YAML that compose files are written in, for engines that cannot print their own reading.

Understood: block mappings and sequences, plain, single- and double-quoted scalars on one line, `|` and `>`
block scalars, flow lists and maps on one line, comments, anchors, aliases and the merge key `<<`. Numbers
stay text (a port `22:22` is not a number in base 60); `true`, `false` and `null` are themselves.
Refused with the line's number: tabs as indentation, tags, several documents, complex keys, scalars and
flow collections over several lines, duplicate keys. What is not understood is never guessed at.
Source: YAML 1.2.2, chapters 6 to 9.
"""

import re
from typing import Any, NoReturn

from podup.errors import Invalid
from podup.patterns import regex

_KEY = regex(
    r"""(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#&*!|>'"%@`\[\]{},?:-][^#:]*?|[?:-][^\s#:][^#:]*?|<<)\s*:(?=\s|$)"""
)
_ANCHOR = regex(r"&([A-Za-z0-9_.-]+)(?:\s+|$)")
_BLOCK = regex(r"([|>])([+-]?)([1-9]?)([+-]?)\s*(?:#.*)?$")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_DOUBLE = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\", "/": "/", " ": " ", "e": "\x1b"}


def read(text: str) -> Any:
    """Return a tree of dicts, lists, strings, booleans and None; Invalid for what is not understood."""
    return _Reader(text).document()


def _refuse(number: int, what: str) -> NoReturn:
    raise Invalid(
        "yaml-not-understood",
        f"line {number}: {what}",
        "write it in the plain form, or install a compose engine that can print its configuration",
    )


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        self._at = 0
        self._anchors: dict[str, Any] = {}

    def document(self) -> Any:
        found = self._peek()
        if found is not None and found[1] == "---":
            self._at += 1
        tree = self._block(-1)
        found = self._peek()
        if found is not None:
            _refuse(self._at + 1, f"{found[1]!r} does not belong to what stands above it")
        return tree

    def _peek(self) -> tuple[int, str] | None:
        """Skip blank lines and comments; return (indentation, text without comment) of the next line."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            body = line.lstrip(" ")
            if body.startswith("\t"):
                if body.strip():
                    _refuse(self._at + 1, "a tab cannot indent")
            elif body.strip() and not body.startswith("#"):
                indent = len(line) - len(body)
                if indent == 0 and (body.startswith("%") or (body.startswith("---") and self._at_document())):
                    _refuse(self._at + 1, "directives and several documents are not read")
                return indent, _without_comment(body)
            self._at += 1
        return None

    def _at_document(self) -> bool:
        return any(line.strip() and not line.lstrip().startswith("#") for line in self._lines[: self._at])

    def _block(self, above: int) -> Any:
        """Read the node that is indented more than `above`; None when there is none."""
        found = self._peek()
        if found is None or found[0] <= above:
            return None
        indent, body = found
        if body == "-" or body.startswith("- "):
            return self._sequence(indent)
        if _KEY.match(body):
            return self._mapping(indent)
        self._at += 1
        return self._scalar(body, indent)

    def _sequence(self, indent: int) -> list[Any]:
        items: list[Any] = []
        while (found := self._peek()) is not None and found[0] == indent:
            body = found[1]
            if body != "-" and not body.startswith("- "):
                break
            rest = body[1:].lstrip(" ")
            inner = indent + len(body) - len(rest)
            if rest and (_KEY.match(rest) or rest == "-" or rest.startswith("- ")):
                line = self._lines[self._at]
                self._lines[self._at] = " " * inner + line[inner:]
                items.append(self._block(indent))
            else:
                self._at += 1
                items.append(self._value(rest, indent))
        return items

    def _mapping(self, indent: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while (found := self._peek()) is not None and found[0] == indent:
            match = _KEY.match(found[1])
            if match is None:
                break
            number = self._at + 1
            key, rest = _unquote(match["key"], number), found[1][match.end() :].strip()
            self._at += 1
            value = self._value(rest, indent, number=number, under_key=True)
            if key == "<<":
                for source in value if isinstance(value, list) else [value]:
                    if not isinstance(source, dict):
                        _refuse(number, "only a mapping can be merged")
                    merged = {**source, **merged}
            elif key in tree:
                _refuse(number, f"{key!r} is there twice")
            else:
                tree[key] = value
        return {**merged, **tree}

    def _value(self, rest: str, indent: int, *, number: int = 0, under_key: bool = False) -> Any:
        """Read what stands behind a key or a dash: `rest` of that line, or the block below it."""
        number = number or self._at
        anchor = _ANCHOR.match(rest)
        if anchor:
            rest = rest[anchor.end() :]
        if block := _BLOCK.match(rest):
            value: Any = self._block_scalar(block, indent)
        elif rest:
            value = self._scalar(rest, indent)
        else:
            found = self._peek()
            dashes = found is not None and found[0] == indent and f"{found[1]} ".startswith("- ")
            value = self._sequence(indent) if under_key and dashes else self._block(indent)
        if anchor:
            self._anchors[anchor[1]] = value
        return value

    def _scalar(self, text: str, indent: int) -> Any:
        """Read a value that is whole on the line just passed."""
        number = self._at
        value, rest = _flow(text, number, self._anchors, inside=False)
        if rest.strip():
            _refuse(number, f"{rest.strip()!r} behind a value")
        found = self._peek()
        if found is not None and found[0] > indent:
            _refuse(self._at + 1, "a value over several lines is not read")
        return value

    def _block_scalar(self, head: re.Match[str], indent: int) -> str:
        lines: list[str] = []
        depth = indent + int(head[3]) if head[3] else 0
        while self._at < len(self._lines):
            line = self._lines[self._at]
            own = len(line) - len(line.lstrip(" "))
            if line.strip():
                depth = depth or own
                if own <= indent or own < depth:
                    break
            lines.append(line[depth:] if line.strip() else "")
            self._at += 1
        chomp = head[2] or head[4]
        trailing = len(lines)
        while trailing and not lines[trailing - 1]:
            trailing -= 1
        text = "\n".join(lines[:trailing])
        if head[1] == ">":
            text = re.sub(r"(?<!\n)\n(?=[^\n ])", " ", text)
            text = re.sub(r"\n(\n+)(?=[^\n ])", r"\1", text)
        ending = "" if chomp == "-" else "\n" if chomp != "+" else "\n" * (1 + len(lines) - trailing)
        return text + ending if text else ""


def _without_comment(body: str) -> str:
    quote, escaped = "", False
    for at, letter in enumerate(body):
        if escaped:
            escaped = False
        elif quote:
            escaped = letter == "\\" and quote == '"'
            if letter == quote:
                quote = ""
        elif letter in "'\"" and (at == 0 or body[at - 1] in " [{,:"):
            quote = letter
        elif letter == "#" and (at == 0 or body[at - 1] in " \t"):
            return body[:at].rstrip()
    return body.rstrip()


def _unquote(text: str, number: int) -> str:
    if text.startswith('"'):
        return re.sub(r"\\(.)", lambda found: _escaped(found[1], number), text[1:-1])
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return text.strip()


def _escaped(letter: str, number: int) -> str:
    if letter not in _DOUBLE:
        _refuse(number, f"the escape \\{letter} is not read")
    return _DOUBLE[letter]


def _flow(text: str, number: int, anchors: dict[str, Any], *, inside: bool) -> tuple[Any, str]:
    """Read one flow value; return it and what stands behind it."""
    text = text.lstrip()
    if text.startswith(("[", "{")):
        return _flow_collection(text, number, anchors)
    if match := re.match(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'", text):
        return _unquote(match[0], number), text[match.end() :]
    if text.startswith(("'", '"')):
        _refuse(number, "a quote that does not close on its line")
    if match := re.match(r"\*([A-Za-z0-9_.-]+)", text):
        if match[1] not in anchors:
            _refuse(number, f"there is no anchor {match[1]!r} above")
        return anchors[match[1]], text[match.end() :]
    if text.startswith(("&", "!", "%", "@", "`", "|", ">", "? ")):
        _refuse(number, f"{text.split()[0]!r} is not read")
    end = re.search(r"[,\]}]|:(?=\s|$)" if inside else r":(?=\s|$)", text)
    word = (text[: end.start()] if end else text).strip()
    if end and not inside:
        _refuse(number, "a colon and a space inside a plain value")
    return _WORDS.get(word.lower(), word) if len(word) < 6 else word, text[end.start() :] if end else ""


def _flow_collection(text: str, number: int, anchors: dict[str, Any]) -> tuple[Any, str]:
    closing = "]" if text[0] == "[" else "}"
    items: list[Any] = []
    tree: dict[str, Any] = {}
    rest = text[1:].lstrip()
    while not rest.startswith(closing):
        if not rest:
            _refuse(number, f"no {closing!r} on the line")
        value, rest = _flow(rest, number, anchors, inside=True)
        rest = rest.lstrip()
        if closing == "}":
            name = str(value)
            value = None
            if rest.startswith(":"):
                value, rest = _flow(rest[1:], number, anchors, inside=True)
                rest = rest.lstrip()
            tree[name] = value
        else:
            items.append(value)
        if rest.startswith(","):
            rest = rest[1:].lstrip()
        elif not rest.startswith(closing):
            _refuse(number, f"{rest!r} inside {text!r}")
    return (items if closing == "]" else tree), rest[1:]
