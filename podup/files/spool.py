"""A directory of small durable items, each under a key, read back oldest first.

A file is named by its number and the hash of its key; its first line is the key as JSON, the rest the
data. An item is there whole or not at all. Putting a key again keeps the first item: the spool is where
work waits that was acknowledged, and a redelivery is the same work.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from podup.files import calls
from podup.files.durable import durable_write, make_dirs, remove_leftovers


class Spool:
    """The items of one directory; made when missing. One process puts at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        make_dirs(directory)
        remove_leftovers(directory)
        self._last = max((int(path.name.partition("-")[0]) for path in self._paths()), default=0)

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`; on return it survives a power cut."""
        if self._find(key) is not None:
            return
        self._last += 1
        path = self.directory / f"{self._last:012d}-{_hash(key)}.item"
        durable_write(path, json.dumps(key).encode() + b"\n" + data)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield key and data, oldest first; items put or removed meanwhile may or may not show."""
        for path in self._paths():
            with suppress(FileNotFoundError):
                head, _, data = path.read_bytes().partition(b"\n")
                yield json.loads(head), data

    def remove(self, key: str) -> None:
        """Forget the key, durably; without effect when it is not there."""
        path = self._find(key)
        if path is None:
            return
        calls.unlink(path)
        calls.sync_dir(self.directory)

    def __len__(self) -> int:
        return len(self._paths())

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("*.item"))

    def _find(self, key: str) -> Path | None:
        return next(iter(self.directory.glob(f"*-{_hash(key)}.item")), None)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
