"""Backups of stacks on disk: made whole or not at all, found again, pruned, and read back.

`BACKUPS/STACK/YYYYMMDD-HHMMSS/` holds the compose file, `.env` (0600), a dump for each database,
`backup.json` with the checksums of all of them, and `COMPLETE` with the checksum of that. It is built under
the name `....partial` and renamed at the end, so a directory without that ending was finished.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from podup.core import dotenv
from podup.core.stack_map import Database, Stack
from podup.errors import NotFound, PodupError
from podup.files import NewFile, copy_file, durable_write, make_dirs, remove_tree, rename, sync_dir
from podup.host.postgres import Postgres, Reach
from podup.recipes.stack_facts import Backup
from podup.records import dataclass

MANIFEST = "backup.json"
MARKER = "COMPLETE"
_PARTIAL = ".partial"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dumps:
    """The databases to dump, each with the way to reach it."""

    postgres: Postgres
    reaches: tuple[tuple[Database, Reach], ...] = ()


def make_backup(stack: Stack, path: Path, at: float, dumps: Dumps, *, whole: bool = True) -> Backup:
    """Make a verified backup at `path`; `whole` false takes what files there are.

    Raises PodupError; then nothing of it is left.
    """
    partial = path.with_name(path.name + _PARTIAL)
    make_dirs(path.parent)
    for left in path.parent.glob(f"*{_PARTIAL}"):
        remove_tree(left)
    try:
        make_dirs(partial)
        files = _copy_files(stack, partial, whole=whole)
        _dump_and_seal(stack, partial, at, dumps, files)
        rename(partial, path)
        sync_dir(path.parent)
    except (PodupError, OSError) as error:
        remove_tree(partial)
        if isinstance(error, PodupError):
            raise
        raise PodupError("backup-failed", f"the backup of {stack.name} failed: {error}") from error
    found = read_backup(path)
    if found is None:
        raise PodupError("backup-failed", f"the backup of {stack.name} is not complete")
    return found


def read_backup(path: Path) -> Backup | None:
    """Return the backup in a directory, None when there is none or it is not complete."""
    try:
        manifest, marker = (path / MANIFEST).read_bytes(), (path / MARKER).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if hashlib.sha256(manifest).hexdigest() != marker:
        return None
    told = json.loads(manifest)
    return Backup(
        str(path),
        told["at"],
        told["version"],
        told["files"].get(".env", ""),
        tuple(sorted(told["databases"])),
    )


def backups_of(directory: Path) -> tuple[Backup, ...]:
    """Return the complete backups of a stack, newest first."""
    if not directory.is_dir():
        return ()
    found = [read_backup(path) for path in directory.iterdir() if path.suffix != _PARTIAL]
    return tuple(sorted((item for item in found if item), key=lambda item: item.path, reverse=True))


def prune_backups(directory: Path, keep: int) -> tuple[str, ...]:
    """Remove complete backups but the newest `keep`; return the paths of those that went.

    Those without dumps are counted apart: they never push out one that holds data.
    """
    found = backups_of(directory)
    kinds = ([one for one in found if one.databases], [one for one in found if not one.databases])
    gone = tuple(one.path for kind in kinds for one in kind[max(keep, 1) :])
    for path in gone:
        remove_tree(Path(path))
    return gone


def check_backup(path: Path) -> Mapping[str, Any]:
    """Return the manifest once every file in the backup has the checksum it was made with.

    Raises NotFound `backup-not-found`, PodupError `backup-broken`.
    """
    if read_backup(path) is None:
        raise NotFound(
            "backup-not-found", f"there is no complete backup at {path}", "see `stack backup --list`"
        )
    manifest: Mapping[str, Any] = json.loads((path / MANIFEST).read_bytes())
    for name, wanted in manifest["files"].items():
        try:
            found = checksum(path / name)
        except OSError as error:
            raise PodupError("backup-broken", f"{path / name} cannot be read: {error}") from error
        if found != wanted:
            raise PodupError("backup-broken", f"{path / name} is not what was backed up")
    return manifest


def checksum(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _copy_files(stack: Stack, partial: Path, *, whole: bool) -> dict[str, str]:
    """Copy compose file and `.env`; return their checksums."""
    run_dir = Path(stack.run_dir)
    files: dict[str, str] = {}
    for name in (stack.compose_file, ".env"):
        if (run_dir / name).exists():
            copy_file(run_dir / name, partial / name, mode=0o600)
            files[name] = checksum(partial / name)
        elif whole:
            hint = "`stack preflight` tells what else a deployment would miss"
            raise NotFound("backup-file-missing", f"there is no {run_dir / name} to back up", hint)
    return files


def _dump_and_seal(stack: Stack, partial: Path, at: float, dumps: Dumps, files: dict[str, str]) -> None:
    """Dump the databases, then write down what is there and, last, that it is complete."""
    databases: dict[str, Any] = {}
    for database, reach in dumps.reaches:
        target = partial / f"{database.name}.dump"
        with NewFile(target) as sink:
            dumps.postgres.dump(reach, database, sink)
            sink.sync()
        tables = dumps.postgres.verify(reach, database, target)
        files[target.name] = checksum(target)
        databases[database.name] = {
            "file": target.name,
            "bytes": target.stat().st_size,
            "tables": list(tables),
        }
    env = partial / ".env"
    values = dotenv.variables(env.read_bytes()) if ".env" in files else {}
    manifest = {
        "schema": 1,
        "stack": stack.name,
        "env": stack.env,
        "at": at,
        "version": values.get(stack.tag_variable, ""),
        "env_mode": (Path(stack.run_dir) / ".env").stat().st_mode & 0o777 if ".env" in files else 0o600,
        "files": files,
        "databases": databases,
    }
    content = (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()
    durable_write(partial / MANIFEST, content, mode=0o600)
    marker = hashlib.sha256(content).hexdigest() + "\n"
    durable_write(partial / MARKER, marker.encode(), mode=0o600)


def put_compose_file_back(stack: Stack, backup: Path) -> None:
    """Put the compose file of a backup back into the run directory."""
    make_dirs(Path(stack.run_dir), mode=0o755)
    target = (Path(stack.run_dir) / stack.compose_file).resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    copy_file(backup / stack.compose_file, target, mode=mode)
