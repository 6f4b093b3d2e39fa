"""The program's log never stops the program."""

import errno
import sys

import pytest

from podup.log import say


class Full:
    """A standard error on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    say("lost")


def test_a_line_is_there_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    say("kept")
    assert capsys.readouterr().err == "kept\n"
