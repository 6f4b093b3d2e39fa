"""The lab's user: one for all runs, made once, without a password; each run mounts its own home over it."""

from __future__ import annotations

import pwd
import subprocess
from pathlib import Path

NAME = "podup-lab"
LEAST_ID = 1000  # journald keeps a journal per user from here on (systemd-journald.service(8), SplitMode=uid)


def ensure_account() -> pwd.struct_passwd:
    """The account, made when missing. The caller sees to it that only one does this at a time."""
    try:
        account = pwd.getpwnam(NAME)
    except KeyError:
        options = ["--create-home", "--user-group", "--shell", "/bin/bash", "--key", "UID_MIN=2000"]
        subprocess.run(["useradd", *options, NAME], check=True, timeout=60)
        account = pwd.getpwnam(NAME)
    for table, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        if not _has_range(Path(table), account.pw_uid):
            first = _first_free(Path(table))
            subprocess.run(["usermod", option, f"{first}-{first + 65535}", NAME], check=True, timeout=60)
    if account.pw_uid < LEAST_ID:
        raise RuntimeError(f"the account {NAME} has uid {account.pw_uid}; the lab needs {LEAST_ID} or more")
    Path(account.pw_dir).mkdir(exist_ok=True)
    return account


def _ranges(table: Path) -> list[tuple[str, int, int]]:
    if not table.exists():
        return []
    rows = (line.split(":") for line in table.read_text().splitlines() if line.count(":") == 2)
    return [(owner, int(first), int(count)) for owner, first, count in rows]


def _has_range(table: Path, uid: int) -> bool:
    return any(owner in (NAME, str(uid)) and count >= 65536 for owner, _, count in _ranges(table))


def _first_free(table: Path) -> int:
    return max([100000, *(first + count for _, first, count in _ranges(table))])
