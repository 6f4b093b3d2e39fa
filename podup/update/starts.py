"""Starts that came to nothing: counted by `boot-guard` before each, forgotten once the program stands.

A program that never comes up cannot tell anybody, so the count is a file of its own, and whoever starts the
program says it in the log. Starts of a running update are not counted here; the update judges them.
"""

import json

from podup.files import durable_write, make_dirs, remove
from podup.records import asdict, dataclass
from podup.update.places import Places

MANY = 5


@dataclass(frozen=True, slots=True)
class Starts:
    """How many starts since it last stood, the present one included, and since when (Unix seconds)."""

    count: int = 0
    since: int = 0

    @property
    def failed(self) -> int:
        """How many of them came to nothing, at least."""
        return max(0, self.count - 1)


def load(places: Places) -> Starts:
    """Return the count; a damaged one is as good as none."""
    try:
        body = json.loads(places.starts.read_bytes())
        return Starts(int(body["count"]), int(body["since"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Starts()


def count(places: Places, now: int) -> Starts:
    """Count one more, durably, before it is made. Raises Unavailable."""
    seen = load(places)
    made = Starts(seen.count + 1, seen.since or now)
    make_dirs(places.state)
    durable_write(places.starts, json.dumps(asdict(made)).encode() + b"\n")
    return made


def forget(places: Places) -> None:
    """Begin anew: it stands, or it was stopped in good order."""
    remove(places.starts, missing_ok=True)
