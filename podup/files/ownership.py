"""Whether a directory is safe to keep secrets and programs in: nobody else may put anything there.

Source: path_resolution(7), inode(7); the same rule as OpenSSH's StrictModes.
"""

import os
import stat
from pathlib import Path

from podup.errors import Refused


def require_own(directory: Path) -> None:
    """Raise Refused when the directory is somebody else's, or anybody outside its group may write into it."""
    about, me = directory.stat(), os.geteuid()
    if about.st_uid not in (0, me):
        hint = f"run this as the user with the id {about.st_uid}, or: chown -R {me} {directory}"
        raise Refused("state-not-ours", f"{directory} belongs to user {about.st_uid}, not to {me}", hint)
    if about.st_mode & stat.S_IWOTH:
        hint = f"chmod 700 {directory}"
        why = f"everybody may write into {directory}, and programs are started from there"
        raise Refused("state-not-safe", why, hint)
