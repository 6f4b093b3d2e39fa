"""How much of everything the server takes, and how long it waits."""

from podup.core.http1 import HeadLimits
from podup.records import dataclass, field


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of the server; times in seconds.

    `head_s` for a whole head; `transfer_s` for a body or an answer, plus its size at `slowest` bytes a
    second; `idle_s` between requests; `grace_s` in which a new connection is not closed to make room for
    others; `linger_*` how long and how much is still read of a refused body; `heartbeat_s` after how much
    silence a stream shows a sign of life, so that proxies keep it; `sweep_s` how exact deadlines are and how
    often, at most, an idle loop wakes; `buffered` bytes of all incomplete requests; `workers` and `waiting`
    of the pool; `stop_s` for a graceful stop.
    """

    connections: int = 4000
    head_s: float = 10.0
    transfer_s: float = 20.0
    slowest: int = 32 * 1024
    idle_s: float = 75.0
    grace_s: float = 1.0
    linger_s: float = 2.0
    linger_bytes: int = 1024 * 1024
    heartbeat_s: float = 15.0
    sweep_s: float = 2.0
    buffered: int = 128 * 1024 * 1024
    workers: int = 4
    waiting: int = 64
    stop_s: float = 10.0
    head: HeadLimits = field(default_factory=HeadLimits)
