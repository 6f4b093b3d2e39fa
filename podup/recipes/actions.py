"""What can be done to services and images: every effect a task on one may have, one record each.

`podup.engine.service_effects` says how each is done.
"""

from podup.recipes.codec import register
from podup.recipes.verbs import Action
from podup.records import dataclass

PULL_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class PullImage(Action):
    """Fetch an image, normally by digest (`name@sha256:...`), with podman's own credentials."""

    ref: str
    timeout_s: float = PULL_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class TagImage(Action):
    """Let `name` (with tag) stand for the local image `source` (an id or a reference)."""

    source: str
    name: str


@dataclass(frozen=True, slots=True)
class UntagImage(Action):
    """Take `name` away; the image stays. A name that is not there is fine."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveImage(Action):
    """Delete a local image by id, never by force: podman refuses while a container uses it."""

    image_id: str


@dataclass(frozen=True, slots=True)
class RestartUnit(Action):
    """Restart and wait for the job; a unit with Type=notify must get ready in time."""

    unit: str
    timeout_s: float = 180.0


@dataclass(frozen=True, slots=True)
class StartUnit(Action):
    """Start; `wait` for the job, which for a oneshot unit means its end."""

    unit: str
    wait: bool = True
    timeout_s: float = 180.0


@dataclass(frozen=True, slots=True)
class StopUnit(Action):
    """Stop and wait for it."""

    unit: str
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class ResetFailed(Action):
    """Forget the failed state and the start limit, so that a start is tried again."""

    unit: str


@dataclass(frozen=True, slots=True)
class RunHook(Action):
    """Run the user's own command; exit 75 postpones the task, any other than 0 fails it."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 300.0


register(PullImage, TagImage, UntagImage, RemoveImage, RestartUnit, StartUnit, StopUnit, ResetFailed)
register(RunHook)
