"""`settings`: every setting, its value and where it comes from; secrets only as set or not."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.core.nearest import nearest
from podup.errors import EXIT_DONE, Invalid
from podup.settings.render import environment_example, value_rows
from podup.settings.table import BY_ENV


def run(args: Mapping[str, Any], context: Context) -> int:
    """Print the settings asked for."""
    if args["env_example"]:
        context.out.text(environment_example())
        return EXIT_DONE
    wanted = {_known(name) for name in args["names"]}
    loaded = context.settings()
    rows = [
        row
        for row in value_rows(loaded)
        if (not wanted or row["name"] in wanted) and (not args["changed"] or row["source"] != "default")
    ]
    if args["json"]:
        context.out.json({"settings": rows, "warnings": list(loaded.warnings)})
        return EXIT_DONE
    cells = [(row["name"], _source(row), row["value"] or row["default"]) for row in rows]
    roles = ["" if row["source"] == "default" else "strong" for row in rows]
    context.out.table(("setting", "source", "value"), cells, roles=roles)
    for warning in loaded.warnings:
        context.out.note(f"warning: {warning}", "warn")
    return EXIT_DONE


def _source(row: Mapping[str, Any]) -> str:
    """Return where a value comes from, with the name it stands under when that is another one."""
    kind, *name_and_path = row["origin"].split(" ")
    other = [name for name in name_and_path[:1] if name != row["name"]]
    return " ".join([kind, *other])


def _known(name: str) -> str:
    full = name.upper() if name.upper() in BY_ENV else f"PODUP_{name.upper()}"
    if full not in BY_ENV:
        near = nearest(full, BY_ENV)
        hint = f"did you mean {near}?" if near else "`settings` lists them all"
        raise Invalid("unknown-setting", f"there is no setting {name!r}", hint)
    return full
