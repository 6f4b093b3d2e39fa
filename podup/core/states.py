"""What a task can be, who asked for it, and how tasks are named."""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

from podup.errors import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, EXIT_ROLLED_BACK
from podup.records import dataclass

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # in the order of their codes
_TIME_LETTERS = 7
_RANDOM_LETTERS = 9
_PART_OF_SECOND = 8
_LETTER_OF_BYTE = bytes(ord(_ALPHABET[code % len(_ALPHABET)]) for code in range(256))


class Status(StrEnum):
    """The states of a task. `pending` and `running` are alive, all others are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PLANNED = "planned"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        return self not in (Status.PENDING, Status.RUNNING)

    @property
    def is_trouble(self) -> bool:
        """Whether somebody should look: it did not come to what was wanted, and nobody stopped it."""
        return self in (Status.FAILED, Status.ROLLED_BACK, Status.UNKNOWN, Status.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Trigger:
    """Who asked for a task: source is webhook, api, cli, scheduler or self."""

    source: str
    request_id: str = ""
    path: str = ""
    caller: str = ""
    reason: str = ""


def new_id(prefix: str, random_bytes: Callable[[int], bytes], now_s: float) -> str:
    """Return `prefix_` and 16 letters without look-alikes: seven tell an eighth of a second, nine are random.

    Ids made later sort later (until 2079), so an index of them grows at its end, and a commit of many rows
    writes few of its pages.
    """
    return f"{prefix}_{_time_letters(int(now_s * _PART_OF_SECOND))}{_random_letters(random_bytes)}"


@lru_cache(maxsize=2)
def _time_letters(number: int) -> str:
    letters = ""
    for _ in range(_TIME_LETTERS):
        number, index = divmod(number, len(_ALPHABET))
        letters = _ALPHABET[index] + letters
    return letters


def _random_letters(random_bytes: Callable[[int], bytes]) -> str:
    return random_bytes(_RANDOM_LETTERS).translate(_LETTER_OF_BYTE).decode()


def exit_code(status: Status, code: str = "") -> int:
    """Return the exit code a command ends with for a task that ended so."""
    if status in (Status.SUCCEEDED, Status.PLANNED):
        return EXIT_DONE
    if status is Status.SKIPPED:
        return EXIT_DONE if code in ("up-to-date", "") else EXIT_REFUSED
    if status is Status.ROLLED_BACK:
        return EXIT_ROLLED_BACK
    return EXIT_FAILED
