"""Who may import whom. The rooms form a ladder: a room imports only from lower ones."""

import ast
import subprocess
import sys
from pathlib import Path

from source_tree import ROOT, imports_of, name_of, nodes_of, product_files, room_of, shown, text_of, tree_of

LEVELS = {
    "": 0,
    "errors": 0,
    "clock": 0,
    "log": 0,
    "patterns": 0,
    "late": 0,
    "records": 0,
    "version": 0,
    "compiled": -2,
    "loader": -1,
    "core": 1,
    "files": 1.5,
    "settings": 1.5,
    "recipes": 2,
    "host": 3,
    "net": 3,
    "store": 3,
    "server": 3,
    "engine": 4,
    "update": 4,
    "api": 5,
    "cli": 5,
    "app": 6,
    "__main__": 7,
}
# Each for a reason: `--version` loads nothing, a command its own module, a boot check all of them, a task's
# process nothing of the server, the loader the standard library's way to open a tar, and nobody what few use.
LAZY_LOADERS = (
    "podup/__main__.py",
    "podup/cli/main.py",
    "podup/cli/boot.py",
    "podup/app/facade.py",
    "podup/loader.py",
    "podup/late.py",
)


def test_every_file_is_in_a_known_room() -> None:
    strangers = [shown(p) for p in product_files() if room_of(name_of(p)) not in LEVELS]
    assert not strangers, f"these files are in no room; move them, or add to LEVELS: {strangers}"


def test_a_room_imports_only_from_lower_rooms() -> None:
    wrong = []
    for path in product_files():
        here = room_of(name_of(path))
        for found in imports_of(path):
            if not found.module.startswith("podup"):
                continue
            there = room_of(found.module)
            if there != here and LEVELS.get(there, 99) >= LEVELS[here]:
                wrong.append(f"{shown(path)}:{found.line} ({here}) imports {found.module} ({there})")
    assert not wrong, (
        "a room imports only from lower rooms. Pass the thing in by argument, or move the shared type down "
        "(vocabulary belongs in core or recipes):\n" + "\n".join(wrong)
    )


def test_core_and_recipes_touch_nothing() -> None:
    forbidden = set(
        [
            "os",
            "sys",
            "io",
            "socket",
            "select",
            "selectors",
            "threading",
            "multiprocessing",
            "signal",
            "shutil",
            "tempfile",
            "logging",
            "glob",
        ]
    )
    wrong = [
        f"{shown(path)}:{found.line} imports {found.module}"
        for path in product_files()
        if room_of(name_of(path)) in ("core", "recipes")
        for found in imports_of(path)
        if found.module.split(".")[0] in forbidden
    ]
    assert not wrong, "core/ and recipes/ decide without doing; take values by argument:\n" + "\n".join(wrong)


def test_no_import_cycle() -> None:
    graph = {name_of(path): {found.module for found in imports_of(path)} for path in product_files()}
    cycle = _cycle(graph)
    assert not cycle, f"import cycle; move what both need into a third file: {' -> '.join(cycle)}"


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for following in sorted(graph.get(name, ())):
            if following != name and (found := walk(following, [*trail, name])):
                return found
        done.add(name)
        return []

    for start in sorted(graph):
        if found := walk(start, []):
            return found
    return []


def test_imports_stand_at_the_top_of_the_file() -> None:
    wrong = [
        f"{shown(path)}:{found.line} imports {found.module} inside a function"
        for path in product_files()
        for found in imports_of(path)
        if not found.is_top
    ]
    assert not wrong, "move these to the top of the file:\n" + "\n".join(wrong)


def test_only_the_command_loader_imports_by_name() -> None:
    wrong = [
        f"{shown(path)}:{found.line}"
        for path in product_files()
        if shown(path) not in LAZY_LOADERS
        for found in imports_of(path)
        if found.module in ("importlib", "importlib.util", "importlib.machinery", "runpy", "pkgutil", "imp")
    ]
    assert not wrong, f"only {LAZY_LOADERS} load by name (a replaced zip breaks late imports): {wrong}"


def test_what_is_loaded_late_is_declared_for_type_checkers_too() -> None:
    wrong = []
    for path, line, module in _late():
        name = module.rpartition(".")[2]
        is_named = f'\n    {name} = late("{module}")\n' in text_of(path)
        if not is_named or module not in _bound_in_conditions(path):
            wrong.append(f"{shown(path)}:{line} wants {module} imported, and named {name}")
    assert not wrong, "\n".join(wrong)


def test_a_daemon_starts_without_what_is_loaded_late() -> None:
    """One plain import of it anywhere on the way would make all others wait again."""
    late = sorted({module for _, _, module in _late()})
    assert "tomllib" in late
    asked = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import podup.cli.http_server, podup.app.daemon\n"
    asked += f"print(*[name for name in {late} if name in sys.modules])"
    words = [sys.executable, "-I", "-S", "-c", asked]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "\n", "`-X importtime` tells who imports it; declare it late there"


def _late() -> list[tuple[Path, int, str]]:
    """Return file, line and module of everything that is loaded when it is first used."""
    return [
        (path, node.lineno, ast.literal_eval(node.args[0]))
        for path in product_files()
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "late"
    ]


def _bound_in_conditions(path: Path) -> set[str]:
    """Return the modules and names that are imported under a condition at the top of a file."""
    bound: set[str] = set()
    for condition in (node for node in tree_of(path).body if isinstance(node, ast.If)):
        for node in condition.body:
            if isinstance(node, ast.ImportFrom):
                bound |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                bound |= {alias.name for alias in node.names}
    return bound


def test_imports_are_absolute_whole_and_from_the_standard_library() -> None:
    wrong = []
    for path in product_files():
        for found in imports_of(path):
            top = found.module.split(".")[0]
            if found.module.startswith("."):
                wrong.append(f"{shown(path)}:{found.line} is a relative import; write it from podup on")
            elif top != "podup" and top not in sys.stdlib_module_names:
                wrong.append(f"{shown(path)}:{found.line} imports {top}, not in the standard library")
    assert not wrong, "\n".join(wrong)
