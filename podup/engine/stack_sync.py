"""The two directories of a sync on disk: listed, compared, and copied file by file."""

import os
from collections.abc import Iterator
from pathlib import Path

from podup.core.stack_map import Stack
from podup.core.sync import Entry, SyncPlan, is_protected, plan_sync
from podup.engine.stack_backups import checksum
from podup.errors import NotFound, Refused
from podup.files import copy_file, make_dirs

_MOST_FILES = 20_000


def sync_plan(stack: Stack, mounts: tuple[str, ...]) -> SyncPlan:
    """Return what a sync would do; `mounts` are the volumes of the compose file in its own words.

    Raises Refused without a source directory of its own, NotFound when it is not there.
    """
    if not stack.source_dir or stack.source_dir == stack.run_dir:
        hint = "set source_dir in its configuration"
        raise Refused("no-source", f"{stack.name} has no source directory of its own", hint)
    source = Path(stack.source_dir)
    if not source.is_dir():
        raise NotFound("source-missing", f"there is no directory {source}", "is the repository checked out?")
    return plan_sync(_listing(source), _listing(Path(stack.run_dir)), _relative(mounts))


def copy_in(stack: Stack, path: str) -> None:
    """Copy one file from the source to the run directory, its executable bit with it."""
    if is_protected(path):
        raise Refused("sync-protected", f"{path} is never copied")
    source, target = Path(stack.source_dir) / path, Path(stack.run_dir) / path
    make_dirs(target.parent, mode=0o755)
    copy_file(source, target, mode=0o755 if os.access(source, os.X_OK) else 0o644)


def _listing(directory: Path) -> list[Entry]:
    entries = list(_entries(directory, directory))
    if len(entries) > _MOST_FILES:
        raise Refused(
            "sync-too-large", f"{directory} has more than {_MOST_FILES} files", "is it the right one?"
        )
    return entries


def _entries(directory: Path, top: Path) -> Iterator[Entry]:
    if not directory.is_dir():
        return
    for found in sorted(os.scandir(directory), key=lambda entry: entry.name):
        path = str(Path(found.path).relative_to(top))
        if found.is_dir(follow_symlinks=False):
            if not is_protected(path):
                yield from _entries(Path(found.path), top)
        elif found.is_file(follow_symlinks=False) and not is_protected(path):
            yield Entry(path, checksum(Path(found.path)), os.access(found.path, os.X_OK))
        else:
            yield Entry(path)


def _relative(mounts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths inside the run directory that containers may write to: data, not configuration."""
    words = (mount.split(":") for mount in mounts if mount.startswith("./"))
    return tuple(
        source.removeprefix("./").rstrip("/")
        for source, *rest in words
        if "ro" not in ",".join(rest[1:]).split(",")
    )
