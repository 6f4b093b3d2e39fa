"""Completion scripts: every command and option is in them."""

import pytest

from podup.cli.completion import script
from podup.cli.table import COMMANDS


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_offered(shell: str) -> None:
    text = script(shell, program="podup")
    for command in COMMANDS:
        if not command.hidden:
            assert command.name.split()[-1] in text
            for arg in command.options:
                assert arg.name.lstrip("-") in text
    assert "podup" in text.splitlines()[0] or shell == "bash"
