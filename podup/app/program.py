"""Where this program's own file is, and the command that starts it again.

A replaced zip breaks late imports of a process that runs from it, so tasks run from a copy that never
changes, kept under the state directory by version.
"""

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import podup
from podup.late import late, load_ours
from podup.loader import has_compiled
from podup.update.journal import Build
from podup.update.places import Places, own_file
from podup.version import VERSION

if TYPE_CHECKING:
    from podup.update import kept
else:
    kept = late("podup.update.kept")

_PYTHON = (sys.executable or "python3", "-I")
_ANEW = "podup_anew"
_FROM_CHECKOUT = "import sys; sys.path.insert(0, {root!r}); from podup.__main__ import main; sys.exit(main())"


def command(kept_copy: Path | None) -> tuple[str, ...]:
    """Return the words that start this program again, from `kept_copy` or from the checkout."""
    if kept_copy is not None:
        return (*_PYTHON, str(kept_copy))
    root = str(Path(podup.__file__ or "").resolve().parents[1])
    return (*_PYTHON, "-c", _FROM_CHECKOUT.format(root=root))


def keep_copy(places: Places) -> Path | None:
    """Keep a copy of the running program under its version and return it; None in a checkout."""
    own = own_file()
    if own is None:
        return None
    return kept.keep(places, own, Build(VERSION, hashlib.sha256(own.read_bytes()).hexdigest()))


def start_anew_once() -> None:
    """Become a process that found all its modules compiled, when this one had to compile them.

    What compiling took would stay with a daemon, and is a seventh of its memory. It is the same process to
    systemd and everybody else, with the same words, environment and descriptors, and nothing is open yet.
    """
    if _ANEW in sys._xoptions or not has_compiled():
        return
    load_ours()
    with suppress(OSError):  # it serves as it is
        os.execv(sys.executable, [sys.executable, "-X", _ANEW, *sys.orig_argv[1:]])
