"""The deployment history: one line a fact, made to be read with grep.

`YYYY-MM-DD HH:MM:SS | stack | env | action | version | status | notes`, times in the machine's zone, status
`success` or `fail`. The bar after the status is always there, so `| fail |` finds what failed. A line this
program did not write, or that is broken, is skipped by the reader and counted.
"""

from collections.abc import Iterable

from podup.patterns import regex
from podup.records import dataclass

_STAMP = regex(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_MAX_BYTES = 2000


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """One line: `at` is the local time as it is written."""

    at: str
    stack: str
    env: str
    action: str
    version: str
    status: str
    notes: str = ""


def render(record: HistoryRecord) -> str:
    """Return the line without its end; what would break the format is replaced by a space or a slash."""
    words = (record.at, record.stack, record.env, record.action, record.version or "-", record.status)
    line = " | ".join(_field(word) for word in words) + " |"
    notes = _field(record.notes)
    line = f"{line} {notes}" if notes else line
    return line.encode()[:_MAX_BYTES].decode(errors="ignore")


def parse(line: str) -> HistoryRecord | None:
    """Return the record of a line, or None when it is none."""
    parts = [part.strip() for part in line.strip().split("|", 6)]
    if len(parts) < 6 or not _STAMP.fullmatch(parts[0]) or not parts[1]:
        return None
    if parts[5] not in ("success", "fail"):
        return None
    at, stack, env, action, version, status = parts[:6]
    return HistoryRecord(at, stack, env, action, version, status, parts[6] if len(parts) > 6 else "")


def read(text: str) -> tuple[tuple[HistoryRecord, ...], int]:
    """Return the records in order, and how many lines could not be read; an unfinished last line is one."""
    records: list[HistoryRecord] = []
    broken = 0
    whole, _, torn = text.rpartition("\n")
    for line in [*whole.split("\n"), torn]:
        if not line.strip() or line.startswith("#"):
            continue
        record = parse(line)
        if record is None:
            broken += 1
        else:
            records.append(record)
    return tuple(records), broken


def of_stack(records: Iterable[HistoryRecord], stack: str) -> tuple[HistoryRecord, ...]:
    """Return the records of one stack."""
    return tuple(record for record in records if record.stack == stack)


def good_versions(records: Iterable[HistoryRecord], stack: str) -> tuple[str, ...]:
    """Return the versions that ran well, newest first, each once: successful deployments and rollbacks.

    A version is no longer good once its newest deployment failed.
    """
    good: list[str] = []
    judged: set[str] = set()
    for record in reversed(of_stack(records, stack)):
        if record.action not in ("deploy", "rollback") or record.version in judged | {"-"}:
            continue
        judged.add(record.version)
        if record.status == "success":
            good.append(record.version)
    return tuple(good)


def _field(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
