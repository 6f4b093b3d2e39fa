"""`completion`: the script that teaches a shell our commands and options, made from the command table."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.row import Arg, Command
from podup.cli.table import COMMANDS
from podup.errors import EXIT_DONE


def run(args: Mapping[str, Any], context: Context) -> int:
    """Print the script of a shell."""
    context.out.text(script(args["shell"], program=context.program))
    return EXIT_DONE


def script(shell: str, *, program: str) -> str:
    """Return the completion script for bash, zsh or fish."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](program)


def _visible() -> list[Command]:
    return [command for command in COMMANDS if not command.hidden]


def _next_words() -> dict[str, list[str]]:
    """Return, for the words so far ("" at first), the words that may follow."""
    following: dict[str, list[str]] = {"": []}
    for command in _visible():
        first, _, second = command.name.partition(" ")
        if first not in following[""]:
            following[""].append(first)
        if second:
            following.setdefault(first, []).append(second)
        choices = [choice for arg in command.positionals for choice in arg.choices]
        options = [arg.name for arg in command.options]
        following.setdefault(command.name, []).extend([*choices, *options, "--help"])
    return following


def _bash(program: str) -> str:
    function = f"_{program}".replace("-", "_").replace(".", "_")
    cases = []
    for words, following in _next_words().items():
        cases.append(f"    '{words}') words='{' '.join(following)}' ;;")
    body = "\n".join(cases)
    return f"""\
# bash completion of {program}
{function}() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words='' path=''
  if [ "$COMP_CWORD" -ge 3 ]; then path="${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}"
  elif [ "$COMP_CWORD" -eq 2 ]; then path="${{COMP_WORDS[1]}}"; fi
  case "$path" in
{body}
    *) case "${{COMP_WORDS[1]}}" in
{_bash_fallback()}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ "${{#COMPREPLY[@]}}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}}
complete -F {function} {program}
"""


def _bash_fallback() -> str:
    """Cases for a one-word command with words of its own behind it."""
    single = [command for command in _visible() if " " not in command.name]
    following = _next_words()
    return "\n".join(
        f"      '{command.name}') words='{' '.join(following[command.name])}' ;;" for command in single
    )


def _zsh(program: str) -> str:
    lines = [f"#compdef {program}", "", f"_{program}() {{", "  local -a words_", "  case $CURRENT in"]
    described = "\n".join(f"      {_zsh_word(word, says)}" for word, says in _first_words())
    lines += ["    2) words_=(", described, "    ); _describe command words_; return ;;", "  esac"]
    lines += ['  case "${words[2]} ${words[3]}" in']
    for command in _visible():
        if " " in command.name:
            lines.append(f"    '{command.name}') words_=({_zsh_words(command)}) ;;")
    lines += ["    *) case ${words[2]} in"]
    for word in dict.fromkeys(command.name.split()[0] for command in _visible()):
        lines.append(f"      {word}) words_=({_zsh_group(word)}) ;;")
    lines += ["    esac ;;", "  esac", "  _describe argument words_ || _files", "}", ""]
    # Autoloaded from fpath it is called at once, sourced it is registered.
    lines += [
        f'if [ "$funcstack[1]" = "_{program}" ]; then _{program} "$@"',
        f"else compdef _{program} {program}; fi",
        "",
    ]
    return "\n".join(lines)


def _first_words() -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for command in _visible():
        first, _, second = command.name.partition(" ")
        found.setdefault(first, f"{first} commands" if second else command.says)
    return list(found.items())


def _zsh_group(word: str) -> str:
    inside = [command for command in _visible() if command.name.startswith(f"{word} ")]
    rows = [_zsh_word(command.name.partition(" ")[2], command.says) for command in inside]
    single = next((command for command in _visible() if command.name == word), None)
    return " ".join([*rows, *([_zsh_words(single)] if single else [])])


def _zsh_words(command: Command) -> str:
    choices = [_zsh_word(choice, arg.says) for arg in command.positionals for choice in arg.choices]
    options = [_zsh_word(arg.name, arg.says) for arg in command.options]
    return " ".join([*choices, *options, _zsh_word("--help", "show help")])


def _zsh_word(word: str, says: str) -> str:
    return "'" + f"{word}:{says}".replace("'", "'\\''") + "'"


def _fish(program: str) -> str:
    lines = [f"# fish completion of {program}", f"complete -c {program} -f"]
    for word, says in _first_words():
        lines.append(f"complete -c {program} -n __fish_use_subcommand -a {word} -d {_fish_text(says)}")
    for command in _visible():
        first, _, second = command.name.partition(" ")
        seen = f"'__fish_seen_subcommand_from {first}'"
        if second:
            lines.append(f"complete -c {program} -n {seen} -a {second} -d {_fish_text(command.says)}")
            seen = f"'__fish_seen_subcommand_from {first}; and __fish_seen_subcommand_from {second}'"
        lines += [_fish_arg(program, seen, arg) for arg in command.args if arg.is_option or arg.choices]
    return "\n".join(lines) + "\n"


def _fish_arg(program: str, seen: str, arg: Arg) -> str:
    if not arg.is_option:
        return f"complete -c {program} -n {seen} -a '{' '.join(arg.choices)}' -d {_fish_text(arg.says)}"
    wants = " -r" if arg.value else ""
    return f"complete -c {program} -n {seen} -l {arg.name.lstrip('-')}{wants} -d {_fish_text(arg.says)}"


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
