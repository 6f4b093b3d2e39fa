"""The repository as the architecture tests see it: files, syntax trees and import edges, each read once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "podup"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module: `module` is the dotted name, `line` where it stands, `is_top` at module level."""

    module: str
    line: int
    is_top: bool


@cache
def product_files() -> tuple[Path, ...]:
    """Every Python file of the package."""
    return tuple(sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts))


@cache
def tool_files() -> tuple[Path, ...]:
    """Python files beside the package that are not tests."""
    found = [ROOT / "build_zipapp.py", *(ROOT / "scripts").glob("*.py"), *(ROOT / "bench").rglob("*.py")]
    return tuple(sorted(p for p in found if p.is_file()))


@cache
def files_of_tests() -> tuple[Path, ...]:
    """Every Python file under tests/."""
    return tuple(sorted(p for p in (ROOT / "tests").rglob("*.py") if "__pycache__" not in p.parts))


def name_of(path: Path) -> str:
    """Return the dotted module name of a file of the package (`podup.core.images`)."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(path: Path) -> str:
    """Return the path as a person would type it from the root."""
    return str(path.relative_to(ROOT))


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path), str(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's tree."""
    return tuple(ast.walk(tree_of(path)))


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Every import of a file; `from a import b` names `a.b` when that is a module of ours, else `a`."""
    return tuple(_imports(tree_of(path), at_top=True))


def _imports(node: ast.AST, *, at_top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, at_top)
        elif isinstance(child, ast.ImportFrom):
            base = "." * child.level + (child.module or "")
            for alias in child.names:
                yield Import(_whole(base, alias.name), child.lineno, at_top)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(child, at_top=at_top and not inside)


def _whole(base: str, name: str) -> str:
    if base == "podup" or base.startswith("podup."):
        place = ROOT.joinpath(*base.split("."), name)
        if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
            return f"{base}.{name}"
    return base


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method of a file."""
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def room_of(module: str) -> str:
    """Return the room of a module: `core` for `podup.core.images`, `errors` for `podup.errors`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""
