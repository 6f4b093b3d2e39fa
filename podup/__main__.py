"""Start the program: `python3 pod-upgrade-trigger.pyz`, an installed command, or `python3 -m podup`.

`--version` and `--help` answer before anything else is imported. All other words are for `podup.cli.main`,
loaded by name for that reason.
"""

import gc
import os
import sys
from importlib import import_module

from podup.version import COMMIT, OVERVIEW, VERSION

_GARBAGE_AFTER = 500_000  # new objects: imports make fewer; a process that lives on lowers it (app.facade)


def main() -> int:
    """Run the program with the words it was called with; return the exit code."""
    words = sys.argv[1:]
    if None in (sys.stdin, sys.stdout, sys.stderr):
        stand_in()
    if words in (["--version"], ["-V"]):
        python = ".".join(map(str, sys.version_info[:3]))
        return say(f"pod-upgrade-trigger {VERSION} (commit {COMMIT}, python {python})\n")
    if words in (["--help"], ["-h"], ["help"]):
        text = OVERVIEW or import_module("podup.cli.overview").render("{program}")
        return say(text.replace("{program}", called_by(sys.argv[0])))
    gc.set_threshold(_GARBAGE_AFTER)
    return int(import_module("podup.cli.main").main(called_by(sys.argv[0]), words, open_app))


def stand_in() -> None:
    """Open the null device for each standard stream that is closed (`<&-`).

    The next file that is opened would get its number, and hear what is meant for the terminal.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def say(text: str) -> int:
    """Write to standard output and return the exit code: 1 when nobody could take it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # it is tried again at the end
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"{called_by(sys.argv[0])}: the result cannot be written: {error.strerror}\n")
        return 1
    return 0


def open_app(loaded: object) -> object:
    """Build the program's parts from its settings, for a command that needs them."""
    return import_module("podup.app.facade").build(loaded)


def called_by(path: str) -> str:
    """Return the name the user typed: a symlink keeps its own, `python3 -m podup` has the product's."""
    name = path.rpartition("/")[2]
    return "pod-upgrade-trigger" if name in ("", "__main__.py", "-c") else name


if __name__ == "__main__":
    raise SystemExit(main())
