"""`scheduler`: look at the registries, or run podman's own updater, again and again."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.errors import Invalid


def run(args: Mapping[str, Any], context: Context) -> int:
    """Be the scheduler."""
    if args["interval"] < 0 or args["max_iterations"] < 0:
        raise Invalid("bad-number", "--interval and --max-iterations are numbers from 0 on")
    return int(context.app().schedule(args["interval"], args["max_iterations"], context.out.line))
