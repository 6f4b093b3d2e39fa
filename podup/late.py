"""Modules that are loaded when they are first used, because most runs end, or answer, without them.

Reading TOML where there is a file of it, telling a fault's trace, the client for registries: what is declared
like this, among the imports of a file, costs a start nothing.

    if TYPE_CHECKING:
        import tomllib
    else:
        tomllib = late("tomllib")

Promise: the module behaves as if it were imported; any thread may be the first to use it, and waits for it.
A process that outlives its file, which may be replaced at any time, calls `load_ours` soon after its start:
it loads the program's own modules that were declared, and those they declare.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

_OURS: list[str] = []


class _Late(ModuleType):
    """Stands for a module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def late(name: str) -> ModuleType:
    """Return a stand-in for a module."""
    if name.startswith("podup."):
        _OURS.append(name)
    return _Late(name)


def load_ours() -> None:
    """Load all modules of the program that were declared and are not used yet."""
    while _OURS:
        import_module(_OURS.pop())
