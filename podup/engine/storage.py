"""The database as the engine needs it: the daemon's for its life, or a command's for a transaction."""

from typing import Protocol

from podup.store.db import Readable, Writable


class Store(Readable, Writable, Protocol):
    """Where rows are kept; `podup.store.db.Database` is one."""
