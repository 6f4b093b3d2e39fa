"""A journal: one JSON object a line, written by one process, read by many while it grows.

The writer holds the kernel lock of the journal file itself, so `is_locked(path)` tells whether it lives.
A line is complete when it ends with a line break; a torn last line is not read, and is cut off by the next
writer. A line whose write or sync fails is cut off again, so nothing that raised is ever read.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from podup.errors import Busy, Invalid, Unavailable
from podup.files import calls
from podup.files.locks import lock_descriptor

MAX_RECORD_BYTES = 256 * 1024


class JournalWriter:
    """The only writer of one journal, for its life. Raises Busy('journal-in-use') when there is one."""

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        self.path = path
        try:
            self._descriptor = calls.open_existing(path)
        except FileNotFoundError:
            self._descriptor = calls.create(path, mode)
        try:
            if not lock_descriptor(self._descriptor):
                raise Busy("journal-in-use", f"{path} is being written by another process")
            self._cut_torn_line()
            calls.sync_dir(path.parent)  # also when it exists: its first writer may have died before this
        except BaseException:
            os.close(self._descriptor)
            raise

    def write(self, record: dict[str, Any], *, sync: bool = True) -> None:
        """Append one record; with `sync` it, and all before it, is on the disk on return.

        Raises Invalid for more than 256 KiB and Unavailable when the disk refuses; the record is then
        not in the journal.
        """
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        line = text.encode("utf-8", "replace") + b"\n"
        if len(line) > MAX_RECORD_BYTES:
            raise Invalid("journal-record-too-large", f"a record of {len(line)} bytes for {self.path.name}")
        start = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        try:
            calls.write(self._descriptor, self.path, line)
            if sync:
                calls.fsync(self._descriptor, self.path)
        except BaseException:
            with suppress(Unavailable):
                calls.truncate(self._descriptor, self.path, start)
            raise

    def close(self) -> None:
        """Close and unlock; without effect the second time."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "JournalWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cut_torn_line(self) -> None:
        size = os.lseek(self._descriptor, 0, os.SEEK_END)
        end = size
        while end:
            start = max(0, end - MAX_RECORD_BYTES)
            at = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if at >= 0:
                end = start + at + 1
                break
            end = start
        if end < size:
            # Not synced: readers pass over a torn line, and the sync of the next record covers this.
            calls.truncate(self._descriptor, self.path, end)


def read_journal(path: Path, *, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Return the complete records from byte `offset` on and the offset to go on from.

    A missing journal is empty. A complete line that is not a JSON object (a power cut may leave zeros in
    unsynced bytes) is passed over.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    records = []
    for line in whole.split(b"\n"):
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                records.append(record)
    return records, offset + len(whole)
