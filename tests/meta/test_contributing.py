"""CONTRIBUTING.md shows the way through the code: what it names is there."""

import ast
import re

from source_tree import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
NAMED = re.compile(r"`([a-z_]+/[a-z_0-9]+\.py)`((?: `[A-Za-z_.]+`)*)")


def defined_in(source: str) -> set[str]:
    """Return the functions and classes of a module, and its classes' methods as `Class.method`."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return names


def test_every_place_it_names_is_there() -> None:
    wrong = []
    for path, names in NAMED.findall(TEXT):
        file = ROOT / "podup" / path
        if not file.exists():
            wrong.append(path)
            continue
        missing = set(re.findall(r"[A-Za-z_.]+", names)) - defined_in(file.read_text())
        wrong += [f"{name} in {path}" for name in sorted(missing)]
    assert not wrong, f"CONTRIBUTING.md names what is not there: {wrong}"
    assert len(NAMED.findall(TEXT)) > 10


def test_every_room_is_on_the_ladder() -> None:
    rooms = {path.name for path in (ROOT / "podup").iterdir() if (path / "__init__.py").exists()}
    table = "\n".join(line for line in TEXT.splitlines() if re.match(r"\| \d \|", line))
    assert rooms <= set(re.findall(r"`([a-z]+)`", table))
