"""Failed attempts to log in or to use a token, counted by address, so that nobody can guess for long."""

import ipaddress
from collections import OrderedDict, deque

from podup.clock import Clock
from podup.errors import RateLimited

MAX_ADDRESSES = 4096


class Failures:
    """At most `count` failures in `window_s` seconds an address (an IPv6 /64 is one); bounded memory."""

    def __init__(self, clock: Clock, *, count: int = 10, window_s: float = 60.0) -> None:
        self._clock = clock
        self._count = count
        self._window_s = window_s
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise RateLimited when this address has to wait."""
        times = self._seen.get(_network(address))
        if times is None:
            return
        now = self._clock.monotonic()
        while times and times[0] <= now - self._window_s:
            times.popleft()
        if len(times) >= self._count:
            wait_s = max(1, round(times[0] + self._window_s - now))
            hint = "wait; behind a proxy clients count for themselves once PODUP_TRUSTED_PROXIES names it"
            says = "too many failed attempts from this address"
            raise RateLimited("too-many-failures", says, hint, retry_after_s=wait_s)

    def record(self, address: str) -> None:
        """Count one failure."""
        key = _network(address)
        times = self._seen.setdefault(key, deque(maxlen=self._count))
        times.append(self._clock.monotonic())
        self._seen.move_to_end(key)
        if len(self._seen) > MAX_ADDRESSES:
            self._seen.popitem(last=False)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))
