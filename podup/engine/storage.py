"""The database as the engine needs it: the daemon's for its life, or a command's for a transaction."""

from contextlib import AbstractContextManager
from typing import Protocol

from podup.store.db import Connection


class Store(Protocol):
    """Where rows are kept; `podup.store.db.Database` is one."""

    def read(self) -> AbstractContextManager[Connection]:
        """Give a connection that sees one consistent state."""

    def write(self) -> AbstractContextManager[Connection]:
        """Give a connection inside one transaction, on the disk when the block is left normally."""
