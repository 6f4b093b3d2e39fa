"""From what the clock on the wall shows to a moment, with daylight saving.

The zone is a function from Unix seconds to an aware datetime (`Clock.local`), so nothing here asks the
machine. A zone changes its offset at most once in two days, and by at most a day.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Local = Callable[[float], datetime]
_DAY = 86400


def moments_of(wall: datetime, local: Local) -> tuple[int, ...]:
    """Return the Unix seconds at which clocks show `wall` (without zone, whole seconds), earliest first.

    One as a rule, two when clocks are set back over it, none when they skip it.
    """
    as_utc = int(wall.replace(tzinfo=UTC).timestamp())
    offsets = {_offset(local, as_utc - _DAY), _offset(local, as_utc + _DAY)}
    candidates = sorted(as_utc - offset for offset in offsets)
    return tuple(moment for moment in candidates if local(moment).replace(tzinfo=None) == wall)


def moment_of(wall: datetime, local: Local) -> int:
    """Return the first moment clocks show `wall`; for one they skip, the moment they jump."""
    if found := moments_of(wall, local):
        return found[0]
    as_utc = int(wall.replace(tzinfo=UTC).timestamp())
    before, after = as_utc - _DAY, as_utc + _DAY
    old = _offset(local, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(local, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(local: Local, moment: float) -> int:
    offset = local(moment).utcoffset()
    if offset is None:
        raise ValueError("local time must come with its offset")
    return int(offset.total_seconds())
