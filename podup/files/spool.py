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
    """The items of one directory; made when missing. One object puts and removes at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        make_dirs(directory)
        remove_leftovers(directory)
        self._by_hash = {path.stem.partition("-")[2]: path for path in self._paths()}
        self._last = max((int(path.name.partition("-")[0]) for path in self._by_hash.values()), default=0)

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`; on return it survives a power cut."""
        name = _hash(key)
        if name in self._by_hash:
            return
        self._last += 1
        path = self.directory / f"{self._last:012d}-{name}.item"
        durable_write(path, json.dumps(key).encode() + b"\n" + data)
        self._by_hash[name] = path

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield key and data, oldest first; items put or removed meanwhile may or may not show."""
        for path in self._paths():
            with suppress(FileNotFoundError):
                head, _, data = path.read_bytes().partition(b"\n")
                yield json.loads(head), data

    def remove(self, *keys: str) -> None:
        """Forget the keys, durably; without effect for those that are not there."""
        there = [name for key in keys if (name := _hash(key)) in self._by_hash]
        for name in there:
            with suppress(FileNotFoundError):
                calls.unlink(self._by_hash[name])
            del self._by_hash[name]
        if there:
            calls.sync_dir(self.directory)

    def __len__(self) -> int:
        return len(self._by_hash)

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("*.item"))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
