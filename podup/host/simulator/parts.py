"""The nouns of the simulated machine. All but `Machine` are frozen and travel as JSON (`recipes.codec`)."""

import hashlib
from typing import Any

from podup.recipes.codec import decode, encode, register
from podup.records import dataclass

JOURNAL_LINES = 500
GIB = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the program in an image behaves, in seconds after its start; None is never.

    `ready_s` counts only where the unit waits for the container's own word (sdnotify=container). Health is
    `starting` until `healthy_s`, and unhealthy from `sickens_s` on, as seen at the start and every
    `check_every_s` (0: all the time). `answers_s` is when its port answers.
    """

    ready_s: float | None = 0.0
    exits_s: float | None = None
    exit_code: int = 1
    healthcheck: bool = False
    healthy_s: float | None = 1.0
    sickens_s: float | None = None
    check_every_s: float = 0.0
    answers_s: float | None = 0.0


BEHAVIOURS = {
    "good": Behaviour(),
    "healthy": Behaviour(healthcheck=True),
    "exits": Behaviour(exits_s=0.0, answers_s=None),
    "exits-cleanly": Behaviour(exits_s=0.0, exit_code=0, answers_s=None),
    "crashes": Behaviour(exits_s=2.0),
    "dies": Behaviour(exits_s=15.0),
    "unhealthy": Behaviour(healthcheck=True, healthy_s=None, sickens_s=1.0),
    "sickens": Behaviour(healthcheck=True, sickens_s=3.0),
    "seldom-checked": Behaviour(healthcheck=True, healthy_s=1.0, check_every_s=300.0),
    "seldom-checked-bad": Behaviour(healthcheck=True, healthy_s=None, check_every_s=300.0),
    "never-ready": Behaviour(ready_s=None, healthcheck=True, healthy_s=None, answers_s=None),
    "mute": Behaviour(answers_s=None),
}


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """An image in the registry. `digest` is the platform's manifest, `index_digest` its index's or empty."""

    digest: str
    image_id: str
    behaviour: Behaviour
    index_digest: str = ""
    size_bytes: int = 4_000_000
    version: str = ""
    created_at: float = 0.0
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A local image; `names` holds tags, and digests it was pulled by, as podman's do."""

    id: str
    digest: str
    behaviour: Behaviour
    names: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    size_bytes: int = 4_000_000
    version: str = ""
    created_at: float = 0.0
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SimulatedContainer:
    """A running container; `--rm` takes it away when it ends. Times: `born` monotonic, `started_at` Unix.

    `unit` is empty when a person started it. `checked_s` is its age when somebody else than podman's own
    timer made its health check.
    """

    id: str
    name: str
    unit: str
    image_id: str
    image_ref: str
    born: float
    started_at: float
    labels: tuple[tuple[str, str], ...] = ()
    log: tuple[str, ...] = ()
    checked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulatedUnit:
    """What a unit's files say.

    `kind` is `container`, `service` (anything that runs on), `oneshot`, `auto-update`, `target` or
    `transient`. `files` are (path, text) as `systemctl cat` prints them. `notify` says who tells that a
    container is ready: `conmon` at its start, or the `container`. A `stubborn` one does not come back
    after what it needs was restarted.
    """

    name: str
    kind: str = "container"
    image: str = ""
    container: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    source: str = ""
    file_state: str = "enabled"
    notify: str = "conmon"
    pull: str = "missing"
    port: int = 0
    requires: tuple[str, ...] = ()
    binds_to: tuple[str, ...] = ()
    part_of: tuple[str, ...] = ()
    restart: str = "on-failure"
    restart_s: float = 0.1
    burst: int = 5
    interval_s: float = 10.0
    start_s: float = 0.2
    start_timeout_s: float = 90.0
    stubborn: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.requires, *self.binds_to, *self.part_of)


@dataclass(frozen=True, slots=True)
class UnitRun:
    """How a unit stands. Moments are monotonic; `job` is the last start's: waiting, done or failed.

    `behind` is the unit that has to be up before this one starts.
    """

    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    restarts: int = 0
    since: float = 0.0
    exec_code: int = 0
    exec_status: int = 0
    invocation: str = ""
    container: str = ""
    job: str = ""
    behind: str = ""
    starts: tuple[float, ...] = ()
    ready_at: float | None = None
    give_up_at: float | None = None
    exits_at: float | None = None
    exit_code: int = 1
    restart_at: float | None = None

    @property
    def is_up(self) -> bool:
        return self.active in ("active", "activating")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A line of the journal."""

    at: float
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A command that goes wrong: one whose words begin with `match` (all, when empty).

    The first `skip` of them are spared, then `times` are hit. `effect` is `instead` (it fails and does
    nothing), `after` (it does its work and then fails), `slow` (`delay_s` more), `kill-before` or
    `kill-after` (raises `Killed`, as if this process had died around the command). With `changing`, only
    commands that change the machine count.
    """

    match: str = ""
    effect: str = "instead"
    exit: int = 1
    stderr: str = "Error: fault put in by the simulator"
    skip: int = 0
    times: int = 1
    delay_s: float = 0.0
    changing: bool = False


class Machine:
    """The whole simulated machine. `at` and `wall` are the moment it is seen at, monotonic and Unix.

    `registry` is `up`, `gone`, `unauthorized` or `limited`; `changes` are the commands that changed it.
    """

    def __init__(self) -> None:
        self.at = 0.0
        self.wall = 0.0
        self.serial = 0
        self.units: dict[str, SimulatedUnit] = {}
        self.runs: dict[str, UnitRun] = {}
        self.containers: dict[str, SimulatedContainer] = {}
        self.images: dict[str, StoredImage] = {}
        self.tags: dict[str, str] = {}
        self.manifests: dict[str, RegistryImage] = {}
        self.registry = "up"
        self.pull_s = 0.5
        self.journal: dict[str, tuple[JournalEntry, ...]] = {}
        self.faults: tuple[Fault, ...] = ()
        self.changes: tuple[str, ...] = ()
        self.disk_free = 50 * GIB
        self.disk_total = 100 * GIB

    def made_up(self, what: str) -> str:
        """Return 64 hex digits that were not given before."""
        self.serial += 1
        return hex_of(f"{what} {self.serial}")

    def note(self, unit: str, who: str, text: str, *, at: float) -> None:
        """Write a line into the unit's journal; `at` is monotonic."""
        line = JournalEntry(self.wall - (self.at - at), who, text)
        self.journal[unit] = (*self.journal.get(unit, ())[1 - JOURNAL_LINES :], line)

    def adopt(self, other: "Machine") -> None:
        """Become `other`."""
        vars(self).update(vars(other))

    def as_json(self) -> Any:
        """Return all of it but the moment: time alone changes nothing."""
        return encode({key: value for key, value in vars(self).items() if key not in ("at", "wall")})

    def restore(self, saved: Any) -> None:
        """Become what `as_json` returned."""
        vars(self).update(decode(saved))


def hex_of(text: str) -> str:
    """Return 64 hex digits that stand for `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


def age(container: SimulatedContainer, moment: float) -> float:
    """Return how long it has run, in seconds."""
    return moment - container.born


def health(container: SimulatedContainer, behaviour: Behaviour, moment: float) -> str:
    """Return the word of its health check, empty when it has none."""
    if not behaviour.healthcheck:
        return ""
    seen_s, every_s = age(container, moment), behaviour.check_every_s
    if every_s:
        seen_s = max(seen_s // every_s * every_s, container.checked_s)
    if behaviour.sickens_s is not None and seen_s >= behaviour.sickens_s:
        return "unhealthy"
    return "healthy" if behaviour.healthy_s is not None and seen_s >= behaviour.healthy_s else "starting"


register(Behaviour, RegistryImage, StoredImage, SimulatedContainer, SimulatedUnit)
register(UnitRun, JournalEntry, Fault)
