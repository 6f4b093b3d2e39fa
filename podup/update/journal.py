"""`UPDATE_LOCK.json`: the only record of a self-update while it runs.

One JSON object with its schema, a sequence number that grows with every write, and a SHA-256 of itself.
Only the holder of the update's lock writes it, by `durable_write`, so a reader sees one whole record or
the one before. A later schema may add keys; keys unknown here are kept out of the way, not an error. A
record that cannot be read (torn by hand, flipped by a disk, from a schema that broke this rule) is
`Damaged`, which recovery treats as a roll-back when the target is not known good.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from podup.files import durable_write, remove, rename, sync_dir
from podup.records import asdict, dataclass, fields, replace
from podup.update.states import MAY_END, NEXT, State

SCHEMA = 1
LARGEST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Build:
    """One program: its version, the SHA-256 of its file, and the database schema it works with.

    Of a checkout the version carries the commit, and the commit's id stands in place of the SHA-256.
    """

    version: str
    sha256: str
    schema: int = 0

    @property
    def answers_as(self) -> str:
        """The version the program itself says; the commit in the version of a checkout is not part of it."""
        return self.version.partition("+g")[0]


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified copy of the database: its file name under the backup directory, and its SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """What the journal holds. `before` and `after` are `from` and `to` in the file.

    `tries` counts roll-backs begun; `may_start` says that the service may start although the lock is
    held; `code` and `message` tell why it is being taken back; times are Unix seconds.
    """

    txid: str
    state: State
    before: Build
    after: Build
    tag: str = ""
    seq: int = 0
    tries: int = 0
    may_start: bool = False
    boot_id: str = ""
    actor: str = ""
    reason: str = ""
    backup: Backup | None = None
    dry_run: bool = False
    started_at: int = 0
    runner_pid: int = 0
    report: str = ""
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A journal that is there and cannot be read."""

    why: str


def load(path: Path) -> Record | Damaged | None:
    """Return the record, None when there is no transaction, `Damaged` when it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Damaged(f"cannot be read: {error}")
    if len(data) > LARGEST_BYTES:
        return Damaged("it is larger than a journal can be")
    try:
        return _decode(json.loads(data))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return Damaged(f"{type(error).__name__}: {error}")


def store(path: Path, record: Record) -> Record:
    """Write the record durably with the next sequence number; return it as written."""
    written = replace(record, seq=record.seq + 1)
    durable_write(path, encode(written))
    return written


def advance(path: Path, record: Record, state: State, **changes: Any) -> Record:
    """Move to `state`, durably. Raises ValueError for a step the table does not have."""
    if state not in NEXT[record.state]:
        raise ValueError(f"no step from {record.state} to {state}")
    return store(path, replace(record, state=state, **{"may_start": False, **changes}))


def end(path: Path, record: Record) -> None:
    """Remove the journal, durably. Raises ValueError in a state that cannot end."""
    if record.state not in MAY_END:
        raise ValueError(f"a transaction cannot end in {record.state}")
    remove(path, missing_ok=True)
    sync_dir(path.parent)


def set_aside(path: Path) -> Path:
    """Move a damaged journal out of the way, durably, over an earlier one; return where it is."""
    aside = path.with_suffix(".damaged")
    rename(path, aside)
    sync_dir(path.parent)
    return aside


def encode(record: Record) -> bytes:
    """Return the bytes of the journal file."""
    body = {"schema": SCHEMA, **asdict(record)}
    body["from"], body["to"] = body.pop("before"), body.pop("after")
    return json.dumps({**body, "checksum": _checksum(body)}, indent=1).encode() + b"\n"


def _decode(value: Any) -> Record:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    checksum = value.pop("checksum", None)
    if checksum != _checksum(value):
        raise ValueError("its checksum does not match")
    if not isinstance(value["schema"], int) or value["schema"] < 1:
        raise ValueError("it has no schema")
    known = {name: _plain(name, value[name]) for name in (f.name for f in fields(Record)) if name in value}
    known["state"] = State(value["state"])
    known["before"], known["after"] = _build(value["from"]), _build(value["to"])
    backup = value.get("backup")
    known["backup"] = None if backup is None else Backup(str(backup["name"]), str(backup["sha256"]))
    return Record(**known)


def _plain(name: str, value: Any) -> Any:
    """Return the value of a key; a later schema may add keys and not give one another kind of value."""
    default = getattr(_DEFAULTS, name)
    if isinstance(default, bool | int | str) and type(value) is not type(default) and name != "state":
        raise TypeError(f"{name} is of another kind")
    return value


def _build(value: Any) -> Build:
    return Build(str(value["version"]), str(value["sha256"]), int(value["schema"]))


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


_DEFAULTS = Record("", State.REQUESTED, Build("", ""), Build("", ""))
