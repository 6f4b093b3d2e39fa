"""docs/cli.md, made from the table of commands."""

from podup.cli.overview import describe, usage
from podup.cli.row import Command
from podup.cli.table import COMMANDS, GROUPS, OLD_SPELLINGS

PROGRAM = "pod-upgrade-trigger"
_HEAD = f"""\
# Commands

`{PROGRAM} --help` lists the commands, `{PROGRAM} COMMAND --help` explains one. A unit may be named `web` or
`web.service`. Results go to standard output, everything else to standard error; `--json` prints JSON where a
command lists something, and `NO_COLOR` is honoured. An error is two lines: what happened, and what to do.

| Exit | Meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | the command was not understood |
| 3 | refused by a rule |
| 4 | failed, and taken back |
| 75 | busy: somebody else holds what is needed; try again |
"""


def reference() -> str:
    """Return docs/cli.md."""
    lines = [_HEAD]
    for group in GROUPS:
        commands = [command for command in COMMANDS if command.group == group]
        if commands:
            lines += [f"## {group}", ""]
        for command in commands:
            lines += _section(command)
    old = ", ".join(f"`{spelling}` (now `{name}`)" for spelling, name in OLD_SPELLINGS.items())
    lines += ["## Old spellings", "", f"Still accepted: {old}.", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(command: Command) -> list[str]:
    lines = [f"### {command.name}", "", f"{command.says}.", "", "```sh", usage(PROGRAM, command), "```", ""]
    if command.args:
        lines += ["| Argument | Meaning |", "|---|---|"]
        for arg in command.args:
            name = f"{arg.name} {arg.value}".strip() if arg.is_option else arg.name.upper()
            lines.append(f"| `{name}` | {describe(arg).replace('|', chr(92) + '|')} |")
        lines.append("")
    if command.examples:
        lines += ["```sh", *(f"{PROGRAM} {example}" for example in command.examples), "```", ""]
    return lines
