"""The only door to time.

Wall-clock time is in Unix seconds and is for records and people; durations and deadlines use the
monotonic clock, which never jumps inside one boot.
"""

import time
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What every part that needs time is given."""

    def now(self) -> float:
        """Return Unix seconds."""

    def monotonic(self) -> float:
        """Return seconds that only grow; comparable inside one boot of the machine."""

    def sleep(self, seconds: float) -> None:
        """Wait; a negative duration does not wait."""

    def local(self, unix_s: float) -> datetime:
        """Return that moment as an aware datetime in the machine's time zone."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    def local(self, unix_s: float) -> datetime:
        return datetime.fromtimestamp(unix_s).astimezone()
