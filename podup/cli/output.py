"""The terminal: tables, colours by role, JSON.

Results go to standard output, everything about the way there to standard error. Colour only on a terminal,
never with NO_COLOR (https://no-color.org) or TERM=dumb. A table is as wide as its content; on a terminal its
last column is folded to fit, or stands below its row where there is next to no room. What has no letter
of its own (control characters in foreign text) is shown as `?`.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from podup.core.lines import fold
from podup.errors import Unavailable

_ROLES = {"ok": "32", "warn": "33", "bad": "31", "muted": "2", "accent": "36", "strong": "1"}
_GAP = "  "
_LEAST_LAST = 24  # columns; with fewer the last cell of a row stands below it
_BELOW = "    "


class Output:
    """Writes for people and, as JSON, for programs. `columns()` is the width of the terminal."""

    def __init__(
        self, stdout: TextIO, stderr: TextIO, *, environment: Mapping[str, str], columns: Callable[[], int]
    ) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._columns = columns
        self._has_colour = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"

    def styled(self, text: str, role: str) -> str:
        """Return `text` in the colour of a role: ok, warn, bad, muted, accent or strong."""
        return self._paint(text, role, self._stdout)

    def line(self, text: str = "") -> None:
        """Write one line of the result."""
        self._put(f"{text}\n")

    def text(self, text: str) -> None:
        """Write a result as it is."""
        self._put(text)
        self.flush()

    def folded(self, text: str, *, indent: int = 0) -> str:
        """Return `text` on one line, which on a terminal is folded to fit, its further lines indented."""
        text = printable(text)
        return "\n".join(fold(text, self._columns(), indent=indent)) if self._stdout.isatty() else text

    def json(self, value: Any) -> None:
        """Write the result as JSON, one value."""
        self.text(json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def result(self, value: Any, line: str, *, as_json: bool) -> None:
        """Write a result as JSON, or as the line that says it to people."""
        if as_json:
            self.json(value)
        else:
            self.line(line)

    def table(
        self,
        headings: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        roles: Sequence[str] = (),
        is_cut: bool = False,
    ) -> None:
        """Write rows under headings. `roles` has one role a row, empty for none; it colours the whole row.

        On a terminal the last column is folded to fit; with `is_cut` (long lists) it is cut.
        """
        cells = [[printable(str(cell)) for cell in row] for row in rows]
        widths = [max(map(shown_width, column)) for column in zip(headings, *cells, strict=True)]
        room = self._room_for_last(widths)
        is_tight = room < min(widths[-1], _LEAST_LAST)
        if not is_tight:
            widths[-1] = min(widths[-1], room)
        self.line(self.styled(_row([heading.upper() for heading in headings], widths), "muted"))
        indent = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
        for number, (*row, last) in enumerate(cells):
            is_below = is_tight and shown_width(last) > room
            width = self._columns() - len(_BELOW) if is_below else widths[-1]
            first, *more = [cut(last, width)] if is_cut else fold(last, width)
            lines = [_row(row, widths), _BELOW + first] if is_below else [_row([*row, first], widths)]
            lines += [(_BELOW if is_below else " " * indent) + line for line in more]
            role = roles[number] if number < len(roles) else ""
            self.line(self.styled("\n".join(lines), role))

    def note(self, text: str, role: str = "") -> None:
        """Write one line about the way to the result."""
        self._tell(f"{self._paint(text, role, self._stderr)}\n")

    def error(self, program: str, message: str, hint: str) -> None:
        """Write what went wrong in one line, and what to do in a second one."""
        self.note(f"{self._paint(f'{program}:', 'bad', self._stderr)} {printable(message)}")
        if hint:
            self.note(f"{self._paint('hint:', 'accent', self._stderr)} {printable(hint)}")

    def ask(self, question: str, read_line: Callable[[], str]) -> bool:
        """Ask and return whether the answer was yes; anything else, and no answer at all, is no and said."""
        self._tell(f"{question} [y/N] ")
        if read_line().strip().lower() in ("y", "yes"):
            return True
        self.note("nothing was done; --yes agrees without being asked")
        return False

    def flush(self) -> None:
        """See that the result is written. Raises Unavailable `result-not-written`, BrokenPipeError."""
        with _written():
            self._stdout.flush()

    def _room_for_last(self, widths: Sequence[int]) -> int:
        if len(widths) == 1 or not self._stdout.isatty():
            return widths[-1]
        return self._columns() - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)

    def _put(self, text: str) -> None:
        with _written():
            self._stdout.write(text)

    def _tell(self, text: str) -> None:
        # Work goes on when nobody hears of it. A result that cannot be written is told of at the end.
        with suppress(OSError):
            self._stdout.flush()
        with suppress(OSError):
            self._stderr.write(text)
            self._stderr.flush()

    def _paint(self, text: str, role: str, stream: TextIO) -> str:
        if not role or not self._has_colour or not stream.isatty():
            return text
        return f"\x1b[{_ROLES[role]}m{text}\x1b[0m"


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"the result cannot be written: {error.strerror}"
        raise Unavailable("result-not-written", message, "look at where standard output goes") from error


def printable(text: str) -> str:
    """Return `text` on one line, without characters that move the cursor or change the terminal."""
    return "".join(c if c.isprintable() else " " if c in "\n\t" else "?" for c in text)


def shown_width(text: str) -> int:
    """Return how many columns `text` takes: wide East Asian letters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` columns, with an ellipsis where something is missing."""
    if shown_width(text) <= width:
        return text
    while text and shown_width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = [cut(cell, width) for cell, width in zip(cells, widths, strict=False)]
    padded = [part + " " * (width - shown_width(part)) for part, width in zip(parts, widths, strict=False)]
    return _GAP.join(padded).rstrip()
