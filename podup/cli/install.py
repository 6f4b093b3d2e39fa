"""`install` and `uninstall`: say what would be done, ask, do it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podup.cli.context import Context
from podup.clock import SystemClock
from podup.core.numbers import counted
from podup.errors import EXIT_DONE, EXIT_REFUSED, PodupError
from podup.update import assemble, installation
from podup.update.installation import HTTP, UPDATER, Standing
from podup.update.places import own_file


def run(args: Mapping[str, Any], context: Context) -> int:
    """Install, or only write the files out."""
    if args["export"]:
        for path in installation.export(Path(args["export"])):
            context.out.line(str(path))
        return EXIT_DONE
    loaded = context.settings()
    parts = assemble.parts_of(loaded, SystemClock(), lambda line: None)
    found = installation.items(loaded.environment, loaded.settings.updates.target, own_file())
    for item in found:
        context.out.line(f"{_verb(item.standing, args['force']):<8} {item.path}")
    service = f"{HTTP}.socket" if args["socket"] else ""
    units = tuple(unit for unit in (service, f"{HTTP}.service", args["timer"] and f"{UPDATER}.timer") if unit)
    context.out.line(f"enable   {', '.join(units)}")
    if not _agreed(args, context, "install this?"):
        return EXIT_DONE if args["dry_run"] else EXIT_REFUSED
    installation.write(found, replace=args["force"])
    installation.switch_on(parts.runner, loaded.environment, units)
    context.out.line("installed; see `doctor`")
    if not loaded.environment.is_root and not _has_linger(parts, loaded.environment.home.name):
        context.out.note("it ends with your login; `loginctl enable-linger` keeps it running", "warn")
    return EXIT_DONE


def uninstall(args: Mapping[str, Any], context: Context) -> int:
    """Remove units and scripts; with --purge also program, settings and state."""
    loaded = context.settings()
    target, state = loaded.settings.updates.target, loaded.settings.state.directory
    context.out.line(f"disable  {', '.join(installation.UNITS)}")
    context.out.line(f"remove   unit files in {installation.units_directory(loaded.environment)}")
    context.out.line(f"remove   {installation.scripts_directory(loaded.environment)}")
    for path in installation.leftovers(loaded.environment, target, state):
        context.out.line(f"{'remove' if args['purge'] else 'keep':<8} {path}")
    if not _agreed(args, context, "remove this?"):
        return EXIT_DONE if args["dry_run"] else EXIT_REFUSED
    parts = assemble.parts_of(loaded, SystemClock(), lambda line: None)
    installation.switch_off(parts.runner, loaded.environment)
    gone = installation.remove_installed(loaded.environment)
    if args["purge"]:
        gone += installation.purge(loaded.environment, target, state)
    context.out.line(f"removed {counted(len(gone), 'file')}")
    return EXIT_DONE


def _verb(standing: Standing, force: bool) -> str:
    if standing is Standing.DIFFERS:
        return "replace" if force else "keep"
    return {Standing.NEW: "write", Standing.SAME: "same", Standing.YOURS: "keep"}[standing]


def _agreed(args: Mapping[str, Any], context: Context, question: str) -> bool:
    if args["dry_run"]:
        context.out.note("a dry run: nothing was done")
        return False
    return bool(args["yes"]) or context.out.ask(question, sys.stdin.readline)


def _has_linger(parts: assemble.Parts, user: str) -> bool:
    try:
        return parts.systemd.has_linger(parts.loaded.environment.get("USER") or user)
    except PodupError:
        return False
