"""Take modules from what `build_zipapp.py` packed into the built file.

The sources are in one `sources.tar.xz`, and compiled beside it for the interpreter that built the file: a
member a room (`compiled/MAGIC/core`) with the code of its modules by file name. Entries of their own would
make the file twice as large, and zipimport's search of them would take longer than running the modules.
An interpreter with another magic number compiles the sources. Data and `podup` itself stay zipimport's.
"""

import io
import marshal
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType
from typing import Any, cast
from zipimport import zipimporter


class Packed(zipimporter):
    """Finds and loads the modules in `podup`."""

    def __init__(self, archive: str) -> None:
        super().__init__(archive)
        self._rooms: dict[str, dict[str, bytes]] = {}
        self._sources: dict[str, bytes] = {}
        self._has_compiled = bool(self._room("podup"))

    def find_spec(self, fullname: str, target: object = None, _: object = None) -> ModuleSpec | None:
        """Return where a module of ours comes from."""
        if not fullname.startswith("podup."):
            return None
        name = self._name(fullname)
        if name not in self._modules_beside(fullname):
            return None
        is_package = name.endswith("/__init__.py")
        spec = ModuleSpec(fullname, cast(Any, self), origin=f"{self.archive}/{name}", is_package=is_package)
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(f"{self.archive}/{fullname.replace('.', '/')}")
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code in it."""
        origin = module.__spec__.origin if module.__spec__ else None
        module.__file__ = origin or self.archive
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of a module."""
        name = self._name(fullname)
        data = self._modules_beside(fullname)[name]
        if self._has_compiled:
            made: CodeType = marshal.loads(data)
            return made
        return compile(data, f"{self.archive}/{name}", "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str | None:
        """Return the text of a module, for tracebacks."""
        text = self.sources().get(self._name(fullname))
        return None if text is None else text.decode()

    def is_package(self, fullname: str) -> bool:
        """Tell whether the module has modules in it."""
        return self._name(fullname).endswith("/__init__.py")

    def sources(self) -> dict[str, bytes]:
        """Return the text of all modules by file name."""
        if not self._sources:
            data = self.get_data(f"{self.archive}/sources.tar.xz")
            tarfile = import_module("tarfile")  # for other interpreters and for tracebacks only
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:xz") as packed:
                members = [(member.name, packed.extractfile(member)) for member in packed]
                self._sources = {name: text.read() for name, text in members if text}
        return self._sources

    def _name(self, fullname: str) -> str:
        stem = fullname.replace(".", "/")
        package = f"{stem}/__init__.py"
        return package if package in self._modules_beside(fullname) else f"{stem}.py"

    def _modules_beside(self, fullname: str) -> dict[str, bytes]:
        return self._room(room_of(fullname)) if self._has_compiled else self.sources()

    def _room(self, room: str) -> dict[str, bytes]:
        if room not in self._rooms:
            try:
                data = self.get_data(f"{self.archive}/compiled/{MAGIC_NUMBER.hex()}/{room}")
            except OSError:
                return {}  # not compiled for this interpreter, or none of ours
            self._rooms[room] = marshal.loads(data)
        return self._rooms[room]


def room_of(fullname: str) -> str:
    """Return the room that holds a module: `core` for podup.core.images, `podup` for podup.errors."""
    parts = fullname.split(".")
    return parts[1] if len(parts) > 2 else "podup"


def install(archive: str) -> None:
    """Load the modules of `podup` from this file from now on."""
    sys.meta_path.insert(0, Packed(archive))


def module_names() -> list[str]:
    """Return the names of all modules in the built file; none in a checkout."""
    packed = [finder for finder in sys.meta_path if isinstance(finder, Packed)]
    files = sorted(packed[0].sources()) if packed else []
    return [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files]
