"""The generated files on disk equal a fresh rendering."""

import importlib.util
from types import ModuleType

import pytest
from source_tree import ROOT


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "scripts" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = _load().GENERATED


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_file_is_fresh(name: str) -> None:
    path = ROOT / name
    assert path.is_file(), f"{name} is missing; run scripts/docs and commit it"
    assert path.read_text(encoding="utf-8") == GENERATED[name](), (
        f"{name} is stale; run scripts/docs and commit"
    )
