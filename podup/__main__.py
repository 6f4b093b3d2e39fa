"""Start the program: `python3 pod-upgrade-trigger.pyz`, an installed command, or `python3 -m podup`.

`--version` and `--help` answer before anything else is imported. All other words are for `podup.cli.main`,
loaded by name for that reason.
"""

import gc
import sys
from importlib import import_module

from podup.version import COMMIT, OVERVIEW, VERSION

_GARBAGE_AFTER = 500_000  # new objects: imports make fewer. Who lives long looks more often (app.facade)


def main() -> int:
    """Run the program with the words it was called with; return the exit code."""
    words = sys.argv[1:]
    if words in (["--version"], ["-V"]):
        python = ".".join(map(str, sys.version_info[:3]))
        sys.stdout.write(f"pod-upgrade-trigger {VERSION} (commit {COMMIT}, python {python})\n")
        return 0
    if words in (["--help"], ["-h"], ["help"]):
        text = OVERVIEW or import_module("podup.cli.overview").render("{program}")
        sys.stdout.write(text.replace("{program}", called_by(sys.argv[0])))
        return 0
    gc.set_threshold(_GARBAGE_AFTER)
    return int(import_module("podup.cli.main").main(called_by(sys.argv[0]), words, open_app))


def open_app(loaded: object) -> object:
    """Build the program's parts from its settings, for a command that needs them."""
    return import_module("podup.app.facade").build(loaded)


def called_by(path: str) -> str:
    """Return the name the user typed: a symlink keeps its own, `python3 -m podup` has the product's."""
    name = path.rpartition("/")[2]
    return "pod-upgrade-trigger" if name in ("", "__main__.py", "-c") else name


if __name__ == "__main__":
    raise SystemExit(main())
