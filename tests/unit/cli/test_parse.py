"""Words to commands, strictly."""

from typing import Any

import pytest

from podup.cli.parse import Asked, AskedForGroup, parse
from podup.cli.row import JSON, Arg, Command, at_least_one, whole
from podup.errors import EXIT_USAGE, Invalid

COUNT = Arg("--count", "how many", value="N", parse=at_least_one)
COMMANDS = (
    Command(
        "deploy",
        "nowhere",
        "Deploy",
        args=(
            Arg("units", "what", many=True, required=True),
            Arg("--image", "which", value="REF"),
            Arg("--tries", "how often", value="N", parse=whole, default=3),
            Arg("--label", "marks", value="TEXT", many=True),
            Arg("--max-age", "how old", value="S"),
            Arg("--force", "anyway"),
        ),
    ),
    Command("tasks list", "nowhere", "List", args=(JSON, COUNT)),
    Command("tasks show", "nowhere", "Show", args=(Arg("task", "which", required=True), JSON)),
    Command("shell", "nowhere", "Pick", args=(Arg("kind", "which", choices=("bash", "zsh")),)),
    Command("scheduler", "nowhere", "Tick", args=(Arg("--interval", "how often", value="S"),)),
    Command("run-task", "nowhere", "Run", args=(Arg("task", "which", required=True),), hidden=True),
)


def values(*words: str) -> dict[str, Any]:
    asked = parse(list(words), program="podup", commands=COMMANDS)
    assert isinstance(asked, Asked)
    return dict(asked.values)


def refused(*words: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        parse(list(words), program="podup", commands=COMMANDS)
    assert caught.value.code == "usage"
    assert caught.value.exit_code == EXIT_USAGE
    return caught.value


def test_what_is_absent_has_its_default() -> None:
    expected = {"units": ("a",), "image": None, "tries": 3, "label": (), "max_age": None, "force": False}
    assert values("deploy", "a") == expected


def test_options_and_words_mix() -> None:
    found = values(
        "deploy", "a", "--image", "x:1", "b", "--tries=5", "--force", "--label", "p", "--label=q=r"
    )
    assert (found["units"], found["image"], found["tries"], found["force"]) == (("a", "b"), "x:1", 5, True)
    assert found["label"] == ("p", "q=r")


def test_two_dashes_end_the_options() -> None:
    assert values("deploy", "--", "--force", "-x")["units"] == ("--force", "-x")


def test_the_longest_name_wins() -> None:
    assert values("tasks", "show", "t1") == {"task": "t1", "json": False}


@pytest.mark.parametrize("words", [["tasks"], ["tasks", "--help"], ["help", "tasks"]])
def test_a_group_is_a_question(words: list[str]) -> None:
    assert parse(words, program="podup", commands=COMMANDS) == AskedForGroup("tasks")


@pytest.mark.parametrize("words", [["deploy", "--help"], ["deploy", "-h", "--wrong"], ["help", "deploy"]])
def test_help_is_never_wrong_usage(words: list[str]) -> None:
    asked = parse(words, program="podup", commands=COMMANDS)
    assert isinstance(asked, Asked)
    assert asked.wants_help
    assert asked.command.name == "deploy"


def test_old_spellings() -> None:
    assert values("--run-task", "t1") == {"task": "t1"}
    assert values("--scheduler", "--interval", "5") == {"interval": "5"}


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ([], "no command was given", "`podup --help` lists them"),
        (["depoly"], "there is no command 'depoly'", "did you mean 'deploy'?"),
        (["tasks", "lst"], "there is no command 'tasks lst'", "did you mean 'tasks list'?"),
        (["taks", "list"], "there is no command 'taks'", "did you mean 'tasks'?"),
        (["--wat"], "there is no option '--wat'", "`podup --help` lists them"),
        (["run-tsk"], "there is no command 'run-tsk'", "`podup --help` lists them"),
        (["deploy"], "deploy wants UNITS", "`podup deploy --help` shows how it is used"),
        (["deploy", "a", "--forse"], "deploy has no option --forse", "did you mean '--force'?"),
        (["deploy", "a", "--for"], "deploy has no option --for", "did you mean '--force'?"),
        (["deploy", "a", "--force=1"], "--force takes no value", ""),
        (["deploy", "a", "--image"], "--image wants a value (REF)", ""),
        (["deploy", "a", "--image", "x", "--image", "y"], "--image is given twice", ""),
        (["deploy", "a", "--tries", "x"], "--tries: 'x' is not possible: want a whole number from 0", ""),
        (["deploy", "a", "--tries", "-1"], "--tries: '-1' is not possible: want a whole number from 0", ""),
        (["tasks", "list", "--count", "0"], "--count: '0' is not possible: want a whole number from 1", ""),
        (["tasks", "show"], "tasks show wants TASK", ""),
        (["tasks", "show", "a", "b"], "tasks show does not take 'b'", ""),
        (["shell", "bsh"], "kind is one of bash, zsh, not 'bsh'", "did you mean 'bash'?"),
    ],
)
def test_what_is_refused(words: list[str], message: str, hint: str) -> None:
    error = refused(*words)
    assert error.message.startswith(message)
    assert error.hint.startswith(hint)
