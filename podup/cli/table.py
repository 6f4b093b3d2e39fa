"""The table of commands. Parsing, `--help`, completion and docs/cli.md all derive from it.

A new command is a row here and a module of its own. Rows stand in the order the overview shows them.
"""

from podup.cli.row import JSON, Arg, Command

GROUPS = ("Services", "Tasks and events", "Stacks", "Running", "This program")

OLD_SPELLINGS = {"--scheduler": "scheduler", "--run-task": "run-task", "--prune-state": "prune-state"}

COMMANDS: tuple[Command, ...] = (
    Command(
        "settings",
        "podup.cli.settings",
        "Show every setting, its value and where it comes from",
        args=(
            Arg("names", "only these settings", many=True),
            Arg("--changed", "only those that differ from their default"),
            Arg("--env-example", "print the environment file with every setting explained"),
            JSON,
        ),
        examples=("settings", "settings PODUP_STATE_DIR", "settings --changed --json"),
    ),
    Command(
        "completion",
        "podup.cli.completion",
        "Print the completion script of a shell",
        args=(Arg("shell", "bash, zsh or fish", choices=("bash", "zsh", "fish"), required=True),),
        examples=("completion bash > ~/.local/share/bash-completion/completions/pod-upgrade-trigger",),
    ),
)


def find(words: list[str], commands: tuple[Command, ...] = COMMANDS) -> tuple[Command | None, int]:
    """Return the command these words begin with, and how many of them name it; the longest name wins."""
    for count in (2, 1):
        for command in commands:
            if len(words) >= count and command.name == " ".join(words[:count]):
                return command, count
    return None, 0


def below(word: str, commands: tuple[Command, ...] = COMMANDS) -> tuple[Command, ...]:
    """Return the commands whose first of two words this is (`tasks` -> `tasks list`, `tasks show` ...)."""
    return tuple(command for command in commands if command.name.startswith(f"{word} "))
