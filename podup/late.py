"""Modules of the standard library that are loaded when they are first used.

For what few runs need and many would wait for: reading TOML where there is a file of it, telling a fault's
trace. Declared among the imports of a file:

    if TYPE_CHECKING:
        import tomllib
    else:
        tomllib = late("tomllib")

Promise: the module behaves as if it were imported; any thread may be the first to use it.
Refused: modules of the program itself. A long-running process has imported all of those soon after its start,
because its file may be replaced at any time.
"""

from importlib import import_module
from types import ModuleType
from typing import Any


class _Late(ModuleType):
    """Stands for a module; what was asked for once is kept here."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


def late(name: str) -> ModuleType:
    """Return a stand-in for a module of the standard library."""
    return _Late(name)
