"""Kept versions: `STATE/releases/<version>.pyz`, and which of them is known good.

`good.json` names the known good program and `good.pyz` is the file itself under a name that never
changes, for `boot-guard`. A kept file is never changed in place. What is here passed verification and a
dry start, or was installed by hand before the first update.
"""

import hashlib
import json
import re
import struct
import zlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from podup.core.versions import Version, is_version, parse_version
from podup.errors import NotFound, Refused
from podup.files import copy_file, durable_write, make_dirs, readable, remove, sync_dir
from podup.late import late
from podup.patterns import regex
from podup.update.journal import Build
from podup.update.places import Places

if TYPE_CHECKING:
    import lzma
    import zipfile
else:
    lzma = late("lzma")
    zipfile = late("zipfile")

_VERSION_LINE = regex(rb'^VERSION(?:\s*:\s*\w+)?\s*=\s*["\']([^"\']+)["\']', re.MULTILINE)
_CHUNK_BYTES = 1024 * 1024
_LONGEST_VERSION_FILE = 1024 * 1024  # of text that may be packed into little
# What `zipfile` raises for bytes that are none, or made to harm, beyond its own error and that of lzma.
_NO_ZIP = (zlib.error, struct.error, EOFError, KeyError, OSError, OverflowError, RuntimeError, ValueError)
_SHORTEST_DIGEST = 7


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex, empty when there is none. Raises Unavailable when unreadable."""
    hashed = hashlib.sha256()
    try:
        with readable(path), open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                hashed.update(chunk)
    except FileNotFoundError:
        return ""
    return hashed.hexdigest()


def read_version(path: Path) -> str:
    """Return the version a program carries, a file or a checkout, without running it.

    Raises Refused `not-a-program`.
    """
    try:
        if path.is_dir():
            return _version_in((path / "podup/version.py").read_bytes(), path)
        with zipfile.ZipFile(path) as packed, packed.open("podup/version.py") as file:
            return _version_in(file.read(_LONGEST_VERSION_FILE), path)
    except (zipfile.BadZipFile, lzma.LZMAError, *_NO_ZIP) as error:
        raise _no_program(path, str(error) or type(error).__name__) from error


def installed(places: Places) -> str:
    """Return the version at the target, empty when no program of ours is there."""
    try:
        return read_version(places.target)
    except Refused:
        return ""


def path_of(places: Places, version: str) -> Path:
    """Return where that version is kept, or would be."""
    return places.releases / f"{version}.pyz"


def keep(places: Places, source: Path, build: Build) -> Path:
    """Keep a copy of the program durably; without effect when it is kept already."""
    kept = path_of(places, build.version)
    if digest(kept) != build.sha256:
        make_dirs(places.releases)
        copy_file(source, kept, mode=0o700)
    return kept


def set_good(places: Places, build: Build) -> None:
    """Make a kept version the known good one; in whatever order a crash cuts this, one whole file is good."""
    kept = path_of(places, build.version)
    if digest(places.good) != build.sha256:
        copy_file(kept, places.good, mode=0o700)
    note_good(places, build)


def note_good(places: Places, build: Build) -> None:
    """Write down which program is known good."""
    if good(places) != build:
        make_dirs(places.releases)
        body = {"version": build.version, "sha256": build.sha256, "schema": build.schema}
        durable_write(places.releases / "good.json", json.dumps(body).encode() + b"\n")


def good(places: Places) -> Build | None:
    """Return the known good program, None before the first update and when its record is damaged."""
    try:
        body = json.loads((places.releases / "good.json").read_bytes())
        return Build(str(body["version"]), str(body["sha256"]), int(body["schema"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def versions(places: Places) -> list[str]:
    """Return the kept versions, newest first."""
    found: list[Version] = []
    if places.releases.is_dir():
        for path in places.releases.glob("*.pyz"):
            if is_version(path.stem):
                found.append(parse_version(path.stem))
    return [str(version) for version in sorted(found, reverse=True)]


def find(places: Places, wanted: str) -> tuple[str, Path]:
    """Return version and file of what an operator named: `1.2.3`, `v1.2.3` or the start of a SHA-256.

    Raises NotFound `version-not-kept`.
    """
    name = wanted.removeprefix("v")
    for version in versions(places):
        path = path_of(places, version)
        if version == name or (len(wanted) >= _SHORTEST_DIGEST and digest(path).startswith(wanted.lower())):
            return version, path
    known = ", ".join(versions(places)) or "none"
    raise NotFound("version-not-kept", f"{wanted} is not kept on this machine", f"kept: {known}")


def prune(places: Places, *, keep_count: int, protected: Collection[str]) -> list[str]:
    """Remove the oldest kept versions beyond `keep_count`; never a protected one. Return what went."""
    gone = [version for version in versions(places)[keep_count:] if version not in protected]
    for version in gone:
        with suppress(FileNotFoundError):
            remove(path_of(places, version))
    if gone:
        sync_dir(places.releases)
    return gone


def _version_in(text: bytes, path: Path) -> str:
    found = _VERSION_LINE.search(text)
    if found is None or not is_version(found[1].decode("ascii", "replace")):
        raise _no_program(path, "it does not say its version")
    return found[1].decode()


def _no_program(path: Path, why: str) -> Refused:
    return Refused("not-a-program", f"{path.name} is not a program of ours: {why}")
