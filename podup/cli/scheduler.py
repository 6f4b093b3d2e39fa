"""`scheduler`: look at the registries, or run podman's own updater, again and again."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context


def run(args: Mapping[str, Any], context: Context) -> int:
    """Be the scheduler."""
    return int(context.app().schedule(args["interval"], args["max_iterations"], context.out.line))
