"""Take modules from what was compiled into the built file, a room at a time.

The file holds one member a room (`compiled/core`): its modules' code by name, marshalled. A .pyc beside each
source would do too, but zipimport reads the directory of twice as many entries at every start for it, and
unmarshals each module twice. All else stays zipimport's: sources, data, tracebacks. Only the interpreter that
compiled may come here (`podup.__main__` looks); any other one takes the sources.
"""

import marshal
import sys
from types import CodeType
from zipimport import zipimporter

_rooms: dict[str, dict[str, bytes]] = {}


class Compiled(zipimporter):
    """zipimport, with the code of a module from its room."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of a module; one that is in no room is compiled from its source."""
        name = room_of(fullname)
        if name not in _rooms:
            _rooms[name] = self._read(name)
        data = _rooms[name].pop(fullname, None)
        code: CodeType = super().get_code(fullname) if data is None else marshal.loads(data)
        return code

    def get_filename(self, fullname: str) -> str:
        """Return where the source is, without compiling it to find out."""
        tail = "/__init__.py" if self.is_package(fullname) else ".py"
        return f"{self.archive}/{fullname.replace('.', '/')}{tail}"

    def _read(self, room: str) -> dict[str, bytes]:
        try:
            found: dict[str, bytes] = marshal.loads(self.get_data(f"{self.archive}/compiled/{room}"))
        except OSError:
            return {}  # not one of our modules; zipimport knows what to do
        return found


def room_of(fullname: str) -> str:
    """Return the room that holds a module: `core` for podup.core.images, `podup` for podup.errors."""
    parts = fullname.split(".")
    return parts[1] if len(parts) > 2 else "podup"


def install(archive: str) -> None:
    """Load the modules of this file, an entry of `sys.path`, in this way from now on."""
    sys.path_hooks.insert(0, Compiled)
    for path in [path for path in sys.path_importer_cache if path.startswith(archive)]:
        del sys.path_importer_cache[path]
