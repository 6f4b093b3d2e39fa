"""What a command may start is loaded by name; every name is there."""

import ast
import inspect
from importlib import import_module

from podup.app import facade


def test_all_that_is_loaded_by_name_is_there() -> None:
    asked = [
        (node.value.args[0].value, node.attr)
        for node in ast.walk(ast.parse(inspect.getsource(facade)))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "_part"
        and isinstance(node.value.args[0], ast.Constant)
    ]
    assert {name for name, _ in asked} >= {"api", "daemon", "demo", "local", "opening", "scheduling", "task"}
    for name, function in asked:
        assert callable(getattr(import_module(f"podup.app.{name}"), function))
