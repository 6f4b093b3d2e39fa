"""The only door for writing files: durable writes, kernel locks, journals and the spool.

Nothing outside this package opens a file for writing, renames, links, removes or locks one. What a
function here returned from is on the disk, unless its docstring says `sync_dir` comes first. All calls are
numbered in `podup.files.trace`, where tests count them, fail them, and replay what a power cut may leave.
"""

from podup.files.calls import link, readable, rename, sync_dir
from podup.files.durable import (
    NewFile,
    append_line,
    copy_file,
    durable_write,
    make_dirs,
    remove,
    remove_leftovers,
    remove_tree,
    replacing,
    set_mode,
    sync_file,
)
from podup.files.journal import JournalWriter, read_journal
from podup.files.locks import FileLock, holder, is_locked
from podup.files.ownership import require_own
from podup.files.spool import Spool

__all__ = [
    "FileLock",
    "JournalWriter",
    "NewFile",
    "Spool",
    "append_line",
    "copy_file",
    "durable_write",
    "holder",
    "is_locked",
    "link",
    "make_dirs",
    "read_journal",
    "readable",
    "remove",
    "remove_leftovers",
    "remove_tree",
    "rename",
    "replacing",
    "require_own",
    "set_mode",
    "sync_dir",
    "sync_file",
]
