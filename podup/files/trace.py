"""The one point every effect on the machine passes, numbered in the order they happen.

Each mutating call of `files` (and, by name, of `host.run` and `store.db`) announces itself here right
before it is made. A watcher sees the call and its number and may raise in its place (a full disk, an I/O
error) or end the process there (a kill); a recorder's list can be replayed to every state of a directory
that a power cut may leave. Without a watcher an announcement costs one comparison.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """An effect about to happen: its number from 1, its name and what it touches.

    Names of file calls are `create write truncate fsync sync_dir rename link unlink mkdir rmdir chmod chown`;
    `offset` is where a write begins or the length after a truncate. `note` changes nothing: it marks a
    promise (a write acknowledged) so that a replay knows what must hold from there on.
    """

    number: int
    name: str
    path: str
    other: str = ""
    data: bytes = b""
    offset: int = 0


Watcher = Callable[[Call], None]

_lock = threading.Lock()
_watcher: Watcher | None = None
_count = 0


def announce(name: str, path: object, *, other: object = "", data: bytes = b"", offset: int = 0) -> None:
    """Tell the watcher, if there is one, what happens next. Raises what the watcher raises."""
    global _count
    if _watcher is None:
        return
    with _lock:
        _count += 1
        call = Call(_count, name, str(path), str(other), bytes(data), offset)
        watcher = _watcher
    watcher(call)


def watch(watcher: Watcher | None) -> None:
    """Install the watcher for this process, or remove it; numbering starts again at 1."""
    global _watcher, _count
    with _lock:
        _watcher, _count = watcher, 0


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Watch inside a `with` block."""
    watch(watcher)
    try:
        yield
    finally:
        watch(None)
