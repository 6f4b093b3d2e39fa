"""A reader holds one file in the head: sizes, names and the form of data."""

import ast
from collections import Counter
from pathlib import Path

import pytest
from source_tree import (
    PACKAGE,
    ROOT,
    files_of_tests,
    functions_of,
    nodes_of,
    product_files,
    shown,
    text_of,
    tool_files,
    tree_of,
)

FILE_LINES = 400
FUNCTION_LINES = 60
WEB_LINES = 200
PARAMETERS = 6
FORBIDDEN_NAMES = ("util", "utils", "helper", "helpers", "manager", "misc", "common", "stuff")
FORBIDDEN_ENDINGS = ("Manager", "Helper", "Utils", "Util")
MAY_REEXPORT = ("podup/files/__init__.py",)
INSTALLS_LOADER = "podup/__init__.py"  # in the built file, before any other module of ours


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    long = [
        f"{shown(path)}: {lines} lines"
        for path in (*product_files(), *tool_files(), *files_of_tests())
        if (lines := text_of(path).count("\n")) > FILE_LINES
    ]
    assert not long, f"split these by subject, at most {FILE_LINES} lines a file:\n" + "\n".join(long)


def test_no_browser_file_is_too_long() -> None:
    sources = [p for kind in ("*.js", "*.css") for p in (PACKAGE / "web").rglob(kind)]
    long = [f"{shown(p)}: {n} lines" for p in sources if (n := text_of(p).count("\n")) > WEB_LINES]
    assert not long, f"split these, at most {WEB_LINES} lines a file:\n" + "\n".join(long)


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{shown(path)}:{node.lineno} {node.name}: {lines} lines"
        for path in (*product_files(), *tool_files())
        for node in functions_of(path)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not long, f"at most {FUNCTION_LINES} lines a function (aim for ten):\n" + "\n".join(long)


def test_no_function_takes_too_many_parameters() -> None:
    wrong = []
    for path in product_files():
        for node in functions_of(path):
            given = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            names = [name for name in given if name not in ("self", "cls")]
            if len(names) > PARAMETERS:
                wrong.append(f"{shown(path)}:{node.lineno} {node.name} takes {len(names)}")
    assert not wrong, (
        f"at most {PARAMETERS} parameters; make what belongs together a dataclass:\n" + "\n".join(wrong)
    )


def test_names_say_what_a_thing_is() -> None:
    wrong = []
    for path in (*product_files(), *tool_files(), *files_of_tests()):
        words = [path.stem, *(n.name for n in nodes_of(path) if isinstance(n, ast.ClassDef))]
        wrong += [f"{shown(path)}: {word}" for word in words if _is_empty_word(word)]
    assert not wrong, f"a file or class called so holds anything; name it after its subject: {wrong}"


def _is_empty_word(name: str) -> bool:
    return name.lower().split("_")[-1] in FORBIDDEN_NAMES or name.endswith(FORBIDDEN_ENDINGS)


def test_every_module_says_what_it_promises() -> None:
    bare = [shown(path) for path in (*product_files(), *tool_files()) if not ast.get_docstring(tree_of(path))]
    assert not bare, f"begin these files with a docstring (promises, refusals, source): {bare}"


def test_packages_hold_no_code() -> None:
    wrong = []
    for path in product_files():
        if path.name == "__init__.py" and shown(path) not in (*MAY_REEXPORT, INSTALLS_LOADER):
            wrong += [f"{shown(path)}:{n.lineno}" for n in tree_of(path).body if not isinstance(n, ast.Expr)]
    assert not wrong, f"an __init__.py holds its docstring only (import from the file itself): {wrong}"


def test_a_reexporting_package_only_reexports() -> None:
    for name in MAY_REEXPORT:
        path = ROOT / name
        if path.is_file():
            kinds = (ast.ImportFrom, ast.Expr, ast.Assign)
            wrong = [f"{name}:{node.lineno}" for node in tree_of(path).body if not isinstance(node, kinds)]
            assert not wrong, f"move the code into a file of the room: {wrong}"


def test_dataclasses_are_frozen_and_slotted() -> None:
    wrong = []
    for path in product_files():
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef):
                for decorator in node.decorator_list:
                    text = ast.unparse(decorator)
                    if text.split("(")[0].split(".")[-1] == "dataclass" and not _is_frozen(text):
                        wrong.append(f"{shown(path)}:{node.lineno} {node.name}")
    assert not wrong, (
        "@dataclass(frozen=True, slots=True) is for data; a thing that changes is a class with __init__:\n"
        + "\n".join(wrong)
    )


def _is_frozen(text: str) -> bool:
    return "frozen=True" in text and "slots=True" in text


def test_file_names_of_tests_are_unique() -> None:
    counts = Counter(path.name for path in files_of_tests() if path.name != "conftest.py")
    twice = [shown(p) for p in files_of_tests() if counts[p.name] > 1]
    assert not twice, f"pytest imports tests by their bare name; call these apart: {twice}"


def test_tests_do_not_mock() -> None:
    wrong = [shown(path) for path in files_of_tests() if _imports_mock(path)]
    assert not wrong, f"write a small simulator with rules in place of unittest.mock: {wrong}"


def _imports_mock(path: Path) -> bool:
    for node in nodes_of(path):
        names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        base = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        if any("mock" in f"{base}.{name}".split(".") for name in names):
            return True
    return False


@pytest.mark.parametrize("suffix", [".py", ".sh", ".md", ".js", ".css"])
def test_no_trailing_space_and_one_newline_at_the_end(suffix: str) -> None:
    wrong = [
        shown(path) for path in ROOT.rglob(f"*{suffix}") if _is_ours(path) and not _is_tidy(text_of(path))
    ]
    assert not wrong, f"strip trailing spaces and end with one newline: {wrong}"


def _is_ours(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    elsewhere = {"dist", "build", "__pycache__", "golden", "fixtures"}
    return not elsewhere & set(parts) and not any(part.startswith(".") for part in parts)


def _is_tidy(text: str) -> bool:
    whole = not text or (text.endswith("\n") and not text.endswith("\n\n"))
    return whole and all(line == line.rstrip() for line in text.split("\n"))
