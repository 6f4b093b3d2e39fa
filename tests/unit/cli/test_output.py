"""The terminal: what is coloured, cut, rewritten, and what plain lines look like."""

import io
import json
import os
from typing import TextIO

import pytest

from podup.cli.output import Output, cut, printable, shown_width
from podup.errors import Unavailable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain() -> tuple[Output, io.StringIO, io.StringIO]:
    stdout, stderr = io.StringIO(), io.StringIO()
    return Output(stdout, stderr, environment={}, columns=lambda: 80), stdout, stderr


def terminal(**environment: str) -> tuple[Output, io.StringIO, io.StringIO]:
    stdout, stderr = Terminal(), Terminal()
    return Output(stdout, stderr, environment=environment, columns=lambda: 40), stdout, stderr


def test_a_table_elsewhere_is_whole_and_without_colour() -> None:
    out, stdout, _ = plain()
    out.table(("unit", "state"), [("web.service", "x" * 100), ("db", "ok")], roles=("bad", "ok"))
    assert stdout.getvalue() == f"UNIT         STATE\nweb.service  {'x' * 100}\ndb           ok\n"


def test_a_table_on_a_terminal_is_cut_and_coloured() -> None:
    out, stdout, _ = terminal()
    out.table(("unit", "state"), [("web.service", "x" * 100)], roles=("bad",), is_cut=True)
    assert stdout.getvalue().splitlines()[1] == f"\x1b[31mweb.service  {'x' * 26}…\x1b[0m"


def test_a_last_column_without_room_stands_below_its_row() -> None:
    out, stdout, _ = terminal()
    rows = [("web.service", "2026-01-30", "x" * 100), ("db", "never", "by hand")]
    out.table(("unit", "when", "why"), rows, is_cut=True)
    assert stdout.getvalue().splitlines()[1:] == [
        "web.service  2026-01-30", f"    {'x' * 35}…", "db           never       by hand"
    ]  # fmt: skip


def test_a_last_column_that_matters_is_folded_in_place_of_being_cut() -> None:
    out, stdout, _ = terminal()
    words = "one two three four five six seven"
    out.table(("", "what"), [("ok", words), ("ok", words)])
    assert stdout.getvalue().splitlines()[1:3] == ["ok  one two three four five six seven"] * 2
    out, stdout, _ = terminal()
    out.table(("", "what"), [("ok", f"{words} eight nine")])
    assert stdout.getvalue().splitlines()[1:] == ["ok  one two three four five six seven", "    eight nine"]
    out, stdout, _ = terminal()
    out.table(("", "what"), [("x" * 30, f"{words} eight nine")])
    assert stdout.getvalue().splitlines()[2:] == ["    one two three four five six seven", "    eight nine"]


def test_a_long_line_is_folded_on_a_terminal_only() -> None:
    text = f"   1.0 s plan: pull the image; restart {'x' * 40}"
    assert plain()[0].folded(text, indent=4) == text
    assert terminal()[0].folded(text, indent=4).splitlines() == [
        "   1.0 s plan: pull the image; restart", f"    {'x' * 40}"
    ]  # fmt: skip


def test_a_table_without_rows_has_its_headings() -> None:
    out, stdout, _ = plain()
    out.table(("unit", "state"), [])
    assert stdout.getvalue() == "UNIT  STATE\n"


def test_no_colour_when_it_is_not_wanted() -> None:
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        out, stdout, _ = terminal(**environment)
        out.line(out.styled("x", "ok"))
        assert stdout.getvalue() == "x\n"
    out, _, _ = terminal(NO_COLOR="")
    assert out.styled("x", "ok") == "\x1b[32mx\x1b[0m"


def test_an_error_is_two_lines() -> None:
    out, stdout, stderr = plain()
    out.error("podup", "web.service is not known", "`services` lists them")
    assert stderr.getvalue() == "podup: web.service is not known\nhint: `services` lists them\n"
    assert stdout.getvalue() == ""


def test_only_yes_is_yes() -> None:
    out, _, stderr = plain()
    assert out.ask("really?", lambda: "Y\n")
    assert not out.ask("really?", lambda: "")
    assert not out.ask("really?", lambda: "ye\n")
    assert stderr.getvalue().startswith("really? [y/N] ")


def test_json_is_one_value() -> None:
    out, stdout, _ = plain()
    out.json({"größe": [1, None]})
    assert json.loads(stdout.getvalue()) == {"größe": [1, None]}
    assert "größe" in stdout.getvalue()


def test_foreign_text_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\nc\td\u202e") == "a?[2Jb c d?"


def test_wide_letters_take_two_columns() -> None:
    assert shown_width("部署ok") == 6
    assert cut("部署服务", 5) == "部署…"
    assert shown_width("e\u0301") == 1


def test_an_error_about_foreign_text_is_still_two_lines() -> None:
    out, _, stderr = plain()
    out.error("podup", "no unit 'a\nb\x1b[2J'", "")
    assert stderr.getvalue() == "podup: no unit 'a b?[2J'\n"


def test_work_goes_on_where_nobody_hears_of_it() -> None:
    stdout = io.StringIO()
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as full:
        out = Output(stdout, full, environment={}, columns=lambda: 80)
        out.note("gone")
        out.error("name", "it failed", "try again")
        out.line("the result")
        assert stdout.getvalue() == "the result\n"
        drop(full)


def test_a_result_that_cannot_be_written_is_an_error() -> None:
    stderr = io.StringIO()
    with open("/dev/full", "w", encoding="utf-8") as full:
        out = Output(full, stderr, environment={}, columns=lambda: 80)
        out.line("kept for later")
        out.note("on the way")
        with pytest.raises(Unavailable, match="cannot be written: No space left"):
            out.flush()
        assert stderr.getvalue() == "on the way\n"
        drop(full)


def drop(full: TextIO) -> None:
    """Let it be closed: what it holds goes where everything has room."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
