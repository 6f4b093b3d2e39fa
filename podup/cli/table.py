"""The table of commands. Parsing, `--help`, completion and docs/cli.md all derive from it.

A new command is a row here and a module of its own. Rows stand in the order the overview shows them.
"""

from podup.cli import operator_rows, service_rows, stack_rows
from podup.cli.row import CALLER, DRY_RUN, JSON, REASON, YES, Arg, Command

GROUPS = ("Services", "Tasks and events", "Stacks", "Running", "This program")

OLD_SPELLINGS = {"--scheduler": "scheduler", "--run-task": "run-task", "--prune-state": "prune-state"}

COMMANDS: tuple[Command, ...] = (
    *service_rows.ROWS,
    *stack_rows.ROWS,
    *operator_rows.ROWS,
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
        "self-update",
        "podup.cli.self_update",
        "Update this program from its releases, and take it back when it is not well",
        args=(
            Arg("--check", "only say whether there is a newer release"),
            Arg("--dry-run", "download and check, replace nothing"),
            Arg("--to", "this release, also an older one", value="TAG", default=""),
            Arg("--force", "also the same version again, and a rejected one"),
            Arg("--clear-hold", "let updates go on after a failed roll-back"),
            Arg("--automatic", "obey windows, the canary share and pauses, as timers do"),
            Arg("--report", "name of the report to write", value="FILE", default=""),
            CALLER,
            REASON,
            JSON,
        ),
        examples=("self-update --check", "self-update --dry-run", "self-update --to v1.2.3"),
    ),
    Command(
        "self-update rejected",
        "podup.cli.self_update",
        "Show the versions that failed on this machine, let one be tried again, or keep one away",
        args=(
            Arg("verb", "list, release or add VERSION", choices=("list", "release", "add"), default="list"),
            Arg("version", "the version to release or to add", default=""),
            REASON,
            JSON,
        ),
        examples=("self-update rejected list", "self-update rejected release 1.2.3"),
        function="rejected",
    ),
    Command(
        "history",
        "podup.cli.self_update",
        "Show the updates of this program and the versions kept",
        args=(JSON,),
        examples=("history", "history --json"),
        function="show_history",
    ),
    Command(
        "rollback-self",
        "podup.cli.self_update",
        "Go back to a kept version of this program",
        args=(
            Arg("version", "1.2.3, v1.2.3 or the start of its SHA-256", default=""),
            Arg("--last-good", "the version that ran before this one"),
            DRY_RUN,
            CALLER,
            REASON,
            JSON,
        ),
        examples=("rollback-self --last-good", "rollback-self v1.2.3"),
        function="go_back",
    ),
    Command(
        "install",
        "podup.cli.install",
        "Install the program, its units and its environment file for this user",
        args=(
            Arg("--export", "only write units and scripts here", value="DIR", default=""),
            Arg("--socket", "let systemd hold the port, so that no restart loses a connection"),
            Arg("--timer", "look for new releases by a timer"),
            Arg("--force", "replace units, scripts and program that differ"),
            DRY_RUN,
            YES,
        ),
        examples=("install", "install --socket --timer --yes", "install --export units"),
    ),
    Command(
        "uninstall",
        "podup.cli.install",
        "Remove the units and scripts of this user",
        args=(Arg("--purge", "also the program, its environment file and its whole state"), DRY_RUN, YES),
        examples=("uninstall --dry-run", "uninstall --yes"),
        function="uninstall",
    ),
    Command(
        "doctor",
        "podup.cli.doctor",
        "Look at all this program needs on its host",
        args=(JSON,),
        examples=("doctor", "doctor --json"),
    ),
    Command(
        "run-self-update",
        "podup.cli.self_update",
        "Be the process of a self-update",
        args=(Arg("file", "what to do", required=True),),
        function="run_given",
        hidden=True,
    ),
    Command(
        "boot-check",
        "podup.cli.boot",
        "Try this program on a copy of the database, without network or bus",
        args=(Arg("--db", "the copy; it is migrated", value="FILE", default=""),),
        function="check",
        hidden=True,
    ),
    Command(
        "boot-guard",
        "podup.cli.boot",
        "Recover an interrupted self-update before the service starts",
        function="stand_guard",
        hidden=True,
    ),
    Command(
        "completion",
        "podup.cli.completion",
        "Print the completion script of a shell",
        args=(Arg("shell", "bash, zsh or fish", choices=("bash", "zsh", "fish"), required=True),),
        examples=("completion bash >> ~/.bash_completion",),
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
