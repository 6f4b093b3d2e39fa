"""Rules every row of the command table keeps."""

import importlib.util
import re

import pytest

from podup.cli import overview
from podup.cli.main import function_of
from podup.cli.parse import Asked, parse
from podup.cli.row import Command
from podup.cli.table import COMMANDS, GROUPS, OLD_SPELLINGS, find


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_row(command: Command) -> None:
    assert command.group in GROUPS
    assert command.says[0].isupper() and not command.says.endswith(".")
    assert 1 <= len(command.name.split()) <= 2
    assert callable(function_of(command)), f"{command.module} has no {command.function}()"
    keys = [arg.key for arg in command.args]
    assert len(keys) == len(set(keys))
    many = [arg for arg in command.positionals if arg.many]
    assert many == list(command.positionals[-1:]) or not many, "only the last positional argument may be many"
    for arg in command.args:
        assert not (arg.is_option and arg.required and arg.default is not None)
    for example in command.examples:
        asked = parse(re.split(" >>? ", example)[0].split(), program="podup")
        assert isinstance(asked, Asked)
        assert asked.command.name == command.name


def test_names_are_unique_and_no_name_hides_a_group() -> None:
    names = [command.name for command in COMMANDS]
    assert len(names) == len(set(names))


def test_old_spellings_lead_to_commands_that_exist() -> None:
    for name in OLD_SPELLINGS.values():
        command, _ = find([name])
        if command is None:
            pytest.skip(f"{name} has no row yet")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_fits_a_terminal(command: Command) -> None:
    help_, _, examples = overview.render_command("pod-upgrade-trigger", command).partition("\nExamples:\n")
    assert not [line for line in help_.splitlines() if len(line) > 80]
    assert not [line for line in examples.splitlines() if len(line) > 120]


def test_the_overview_fits_a_terminal() -> None:
    assert not [line for line in overview.render("pod-upgrade-trigger").splitlines() if len(line) > 80]


def test_modules_of_the_table_belong_to_the_command_room() -> None:
    for command in COMMANDS:
        assert command.module.startswith("podup.cli."), command.name
        assert importlib.util.find_spec(command.module) is not None
