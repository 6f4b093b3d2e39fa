"""`http-server`, `server` and `run-task`: the long-running processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podup.cli.context import Context


def run(args: Mapping[str, Any], context: Context) -> int:
    """Run the daemon."""
    return int(context.app().serve(args["http_addr"]))


def run_server(args: Mapping[str, Any], context: Context) -> int:
    """Serve what systemd passed: a listening socket, or one connection on standard input and output."""
    return int(context.app().serve_inherited())


def run_task(args: Mapping[str, Any], context: Context) -> int:
    """Be the process of one task."""
    state_dir = args["state"] or str(context.settings().settings.state.directory)
    return int(context.app().run_task(args["id"], Path(state_dir)))
