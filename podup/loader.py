"""Take modules from what `build_zipapp.py` packed into the built file.

The sources are in one `sources.tar.xz`: entries of their own would make the file twice as large. A module is
compiled when it is first imported by this user's interpreter, and its code kept for the next start
(podup.compiled), so a start decompresses and compiles nothing. Data and `podup` itself stay zipimport's.

The packed sources are read once, here: the file of a running program may be replaced at any time.
"""

import io
import marshal
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER, source_hash
from types import CodeType, ModuleType
from typing import Any, cast
from zipimport import _zip_directory_cache, zipimporter  # type: ignore[attr-defined]

from podup.compiled import Compiled

_SOURCES = "sources.tar.xz"


class Packed(zipimporter):
    """Finds and loads the modules in `podup`."""

    def __init__(self, archive: str) -> None:
        super().__init__(archive)
        self._packed = self.get_data(f"{archive}/{_SOURCES}")
        self._compiled = Compiled(f"{source_hash(self._packed).hex()}-{MAGIC_NUMBER.hex()}")
        self._found: dict[str, CodeType] = {}
        self._sources: dict[str, bytes] = {}

    def find_spec(self, fullname: str, target: object = None, _: object = None) -> ModuleSpec | None:
        """Return where a module of ours comes from."""
        if not fullname.startswith("podup."):
            return None
        code = self._code(fullname)
        if code is None:
            return None
        self._found[fullname] = code
        name = code.co_filename
        is_package = name.endswith("/__init__.py")
        spec = ModuleSpec(fullname, cast(Any, self), origin=f"{self.archive}/{name}", is_package=is_package)
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(f"{self.archive}/{fullname.replace('.', '/')}")
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code in it."""
        origin = module.__spec__.origin if module.__spec__ else None
        module.__file__ = origin or self.archive
        code = self._found.pop(module.__name__, None) or self.get_code(module.__name__)
        exec(code, module.__dict__)

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of a module. Raises ImportError."""
        code = self._code(fullname)
        if code is None:
            raise ImportError(f"{self.archive} has no module {fullname}", name=fullname)
        return code

    def get_source(self, fullname: str) -> str | None:
        """Return the text of a module, for tracebacks."""
        text = self.sources().get(self._name(fullname))
        return None if text is None else text.decode()

    def is_package(self, fullname: str) -> bool:
        """Tell whether the module has modules in it. Raises ImportError."""
        return self.get_code(fullname).co_filename.endswith("/__init__.py")

    def sources(self) -> dict[str, bytes]:
        """Return the text of all modules by file name."""
        sources = self._sources  # once: another thread may drop them meanwhile
        if not sources:
            tarfile = import_module("tarfile")  # at the first start, and for tracebacks
            with tarfile.open(fileobj=io.BytesIO(self._packed), mode="r:xz") as packed:
                members = [(member.name, packed.extractfile(member)) for member in packed]
                sources = self._sources = {name: text.read() for name, text in members if text}
        return sources

    def files(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """Give names and bytes of the files in a folder; `pkgutil` finds modules in the same table."""
        for path in _zip_directory_cache[self.archive]:
            if path.startswith(f"{folder}/"):
                yield path.removeprefix(f"{folder}/"), self.get_data(f"{self.archive}/{path}")

    def drop_sources(self) -> None:
        """Free the unpacked text; it is unpacked again when it is asked for."""
        self._sources = {}

    @property
    def has_compiled(self) -> bool:
        """Whether modules were compiled here, and all of them are kept."""
        return self._compiled.has_put

    def _code(self, fullname: str) -> CodeType | None:
        """Return the code of a module, kept or compiled now; None when there is no such module."""
        kept = self._compiled.get(fullname)
        if kept is not None:
            code: CodeType = marshal.loads(kept)
            return code
        name = self._name(fullname)
        if name not in self.sources():
            return None
        code = compile(self.sources()[name], name, "exec", dont_inherit=True, optimize=2)
        self._compiled.put(fullname, marshal.dumps(code))
        return code

    def _name(self, fullname: str) -> str:
        stem = fullname.replace(".", "/")
        package = f"{stem}/__init__.py"
        return package if package in self.sources() else f"{stem}.py"


def install(archive: str) -> None:
    """Load the modules of `podup` from this file from now on."""
    sys.meta_path.insert(0, Packed(archive))


def module_names() -> list[str]:
    """Return the names of all modules in the built file; none in a checkout."""
    files = sorted(name for packed in _packed() for name in packed.sources())
    return [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files]


def packed_files(folder: str) -> dict[str, bytes]:
    """Return what lies in a folder of the built file, by name; nothing in a checkout."""
    return {name: data for packed in _packed() for name, data in packed.files(folder)}


def has_compiled() -> bool:
    """Tell whether this process compiled modules and all of them are kept for the next start."""
    return any(packed.has_compiled for packed in _packed())


def drop_sources() -> None:
    """Free what only imports need, in a process that lives long and has imported all it needs."""
    for packed in _packed():
        packed.drop_sources()


def _packed() -> list[Packed]:
    return [finder for finder in sys.meta_path if isinstance(finder, Packed)]
