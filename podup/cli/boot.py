"""`boot-check` and `boot-guard`: what a self-update and the unit ask of a program before it serves."""

import json
import pkgutil
import socket
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import podup
from podup.cli.context import Context
from podup.clock import SystemClock
from podup.core.host_faults import HOST_UNFIT, is_of_host
from podup.errors import EXIT_DONE, Busy, PodupError
from podup.files import FileLock
from podup.loader import module_names
from podup.store.backup import schema_number
from podup.store.db import problems
from podup.store.migrations import open_current
from podup.update import assemble, guard, starts
from podup.update.states import Act
from podup.version import COMMIT, VERSION

GUARD_WAIT_S = 240.0


def check(args: Mapping[str, Any], context: Context) -> int:
    """Import everything, migrate a copy of the database, listen on a free port; print what was found.

    No network, no bus: this runs before the program is trusted with anything. Exit 75 says that the machine
    failed it (no room, no memory, a disk that reports errors), so that nothing was found out.
    """
    try:
        context.out.text(json.dumps(_found(args["db"])) + "\n")
    except (OSError, MemoryError, PodupError) as error:
        if not is_of_host(error):
            raise
        what = str(error) or "no memory"
        raise Busy(HOST_UNFIT, f"this machine fails: {what}", "mend it, and try again") from error
    return EXIT_DONE


def _found(database: str) -> dict[str, Any]:
    count = _import_everything()
    schema = _migrate(Path(database)) if database else 0
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return {"version": VERSION, "commit": COMMIT, "schema": schema, "modules": count, "port": port}


def stand_guard(args: Mapping[str, Any], context: Context) -> int:
    """Recover an interrupted update before the service starts."""
    parts = assemble.parts_of(context.settings(), SystemClock(), context.out.note)
    ground = assemble.ground_of(parts)
    done = guard.guard(ground, wait_s=GUARD_WAIT_S)
    if done is not Act.LEAVE:
        context.out.note(f"boot-guard: {done}")
    if not ground.places.journal.exists():
        made = starts.count(ground.places, int(ground.clock.now()))
        if made.failed and made.failed % starts.MANY == 0:
            context.out.note(f"ERROR_SYSTEM: {made.failed} starts in a row came to nothing", "bad")
    return EXIT_DONE


def _import_everything() -> int:
    names = module_names() or [found.name for found in pkgutil.walk_packages(podup.__path__, "podup.")]
    for name in names:
        if not name.endswith("__main__"):
            import_module(name)
    return len(names)


def _migrate(path: Path) -> int:
    """Bring the copy up to date and check it. Raises PodupError."""
    lock = FileLock(path.with_name(f"{path.name}.lock"), what="boot-check")
    with lock:
        now = SystemClock().now()
        backups = path.parent / "backups"
        database, _ = open_current(path, lock=lock, version=VERSION, now=now, backups=backups)
        try:
            with database.write() as cx:
                cx.execute("CREATE TABLE boot_check_scratch (id INTEGER PRIMARY KEY)")
                cx.execute("INSERT INTO boot_check_scratch DEFAULT VALUES")
                cx.execute("DROP TABLE boot_check_scratch")
            with database.read() as cx:
                found = problems(cx)
                schema = schema_number(cx)
        finally:
            database.close()
    if found:
        raise PodupError("database-not-sound", f"the migrated copy is not sound: {found[0]}")
    return schema
