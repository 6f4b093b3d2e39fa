"""What `--help` says: all commands at a glance, and one command in detail."""

from podup.cli.row import Arg, Command
from podup.cli.table import COMMANDS, GROUPS, below
from podup.core.lines import fold

_SAYS = "Push-to-deploy for Linux hosts that run Podman containers under systemd."
_WIDTH = 80
_EXITS = "Exit: 0 done, 1 failed, 2 usage, 3 refused by a rule, 4 rolled back, 75 busy."


def render(program: str) -> str:
    """Return the overview of all commands."""
    lines = [f"Usage: {program} COMMAND [ARGUMENTS]", "", _SAYS]
    for group in GROUPS:
        rows = [
            (command.name, command.says)
            for command in COMMANDS
            if command.group == group and not command.hidden
        ]
        if rows:
            lines += ["", f"{group}:", *aligned(rows)]
    lines += [
        "",
        "Options:",
        *aligned([("--help", "show this, or help on a COMMAND"), ("--version", "show version")]),
    ]
    lines += ["", f"`{program} COMMAND --help` tells more.", _EXITS]
    return "\n".join(lines) + "\n"


def render_group(program: str, word: str) -> str:
    """Return help on the commands below one word, such as `tasks`."""
    rows = [(command.name, command.says) for command in below(word)]
    return "\n".join([f"Usage: {program} {word} COMMAND [ARGUMENTS]", "", *aligned(rows)]) + "\n"


def render_command(program: str, command: Command) -> str:
    """Return help on one command."""
    lines = [*_usage(program, command), "", *fold(f"{command.says}.", _WIDTH)]
    if command.positionals:
        lines += [
            "",
            "Arguments:",
            *aligned([(arg.name.upper(), describe(arg)) for arg in command.positionals]),
        ]
    options = [(f"{arg.name} {arg.value}".strip(), describe(arg)) for arg in command.options]
    lines += ["", "Options:", *aligned([*options, ("--help", "show this")])]
    if command.examples:
        lines += ["", "Examples:", *(f"  {program} {example}" for example in command.examples)]
    return "\n".join(lines) + "\n"


def usage(program: str, command: Command) -> str:
    """Return the line that shows how a command is written."""
    return " ".join([program, command.name, *_arguments(command)])


def _usage(program: str, command: Command) -> list[str]:
    """Return the same folded, no argument torn apart."""
    lines = [f"Usage: {program} {command.name}"]
    for word in _arguments(command):
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append(" " * len("Usage:"))
        lines[-1] += f" {word}"
    return lines


def _arguments(command: Command) -> list[str]:
    words = []
    for arg in command.args:
        text = f"{arg.name} {arg.value}".strip() if arg.is_option else arg.name.upper()
        text += "..." if arg.many else ""
        words.append(text if arg.required else f"[{text}]")
    return words


def describe(arg: Arg) -> str:
    """Return what an argument means, its choices and its default."""
    says = arg.says
    if arg.choices and not all(choice in says for choice in arg.choices):
        says += f": {', '.join(arg.choices)}"
    return says if arg.default in (None, "", ()) else f"{says} (default {arg.default})"


def aligned(rows: list[tuple[str, str]]) -> list[str]:
    """Return the rows as two columns, indented and folded; an overlong first one takes a line of its own."""
    width = min(max((len(left) for left, _ in rows), default=0), 30)
    lines = []
    for left, right in rows:
        if len(left) > width:
            lines.append(f"  {left}")
            left = ""
        first, *more = fold(right, _WIDTH - width - 4)
        lines.append(f"  {left:{width}}  {first}")
        lines += [f"{'':{width + 4}}{line}" for line in more]
    return lines
