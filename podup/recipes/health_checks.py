"""A container's own health check (HEALTHCHECK of its image, HealthCmd= of its unit), and asking for it.

Podman makes it for the first time in the moment of the start, when hardly a program is ready, and then after
its interval; and it takes retries nobody named for none, where Docker means 3 (podman-run(1), Dockerfile
reference). So a good image is `unhealthy` for its first half minute, or `starting` for as long as its
interval is. The word alone is early, and waiting for the next one may take longer than a deployment may.
"""

from podup.recipes.codec import register
from podup.recipes.verbs import Query
from podup.records import dataclass

_DOCKERS_RETRIES = 3
_MORE_THAN_THE_FIRST = 2
_SOON_S = 5.0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How the check is set, and what came of it; times in seconds.

    `interval_s` is 0 when podman never makes it by itself, `retries` 0 when nobody said. `failing` counts
    the failures in a row (0 also: not told), `has_passed` tells of the few tries that are remembered.
    `is_askable` is false for another engine's container: Docker cannot be told of a check made for it.
    """

    interval_s: float = 0.0
    start_period_s: float = 0.0
    retries: int = 0
    failing: int = 0
    has_passed: bool = False
    is_askable: bool = True

    @property
    def is_early(self) -> bool:
        """Return whether it never passed, and has failed less often than it may."""
        often = max(self.retries or _DOCKERS_RETRIES, _MORE_THAN_THE_FIRST)
        return 0 < self.failing < often and not self.has_passed

    @property
    def comes_soon(self) -> bool:
        """Return whether it is made again before long."""
        return 0 < self.interval_s <= _SOON_S


@dataclass(frozen=True, slots=True)
class HealthCheckNow(Query):
    """Make the check of this container (name or id) now, and let podman know when it passes.

    One that fails is not told to podman: it would count as one of the failures that are allowed.
    Yields `Probed`.
    """

    container: str


register(HealthCheck, HealthCheckNow)
