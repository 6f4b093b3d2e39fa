"""What can be seen of compose stacks: queries, and the values they yield.

Stacks are named; whoever looks knows the stack's row by its name. A composition is the compose file with its
variables filled in: as `.env` stands (`version` empty), or as it would be with another version. The content
of `.env` never travels through a journal, only its checksum and the one variable that names the version.
"""

from podup.core import compose, deploy_history, promotion, stack_map
from podup.recipes.codec import register
from podup.recipes.facts import ContainerState
from podup.recipes.verbs import Query
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class ComposeEngineOf(Query):
    """The compose engine that is there. Yields `ComposeEngine`."""


@dataclass(frozen=True, slots=True)
class ComposeEngine:
    """`name` is docker compose, podman compose or podman-compose; `dialect` whose behaviour it has.

    `argv` starts it; `containers` is the container engine below (`podman` or `docker`); `has_config` is
    whether it prints its own reading of a compose file as JSON.
    """

    name: str
    argv: tuple[str, ...]
    dialect: str
    containers: str
    version: str = ""
    has_config: bool = False


@dataclass(frozen=True, slots=True)
class CompositionOf(Query):
    """Yields `core.compose.Composition`, `version` in the place of what `.env` says when not empty."""

    stack: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class EnvFileOf(Query):
    """Yields `EnvFile`."""

    stack: str


@dataclass(frozen=True, slots=True)
class EnvFile:
    """A stack's `.env`: `sha256` of its bytes (empty: there is none), the version in it, names set twice."""

    sha256: str = ""
    version: str = ""
    twice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackContainersOf(Query):
    """Yields `StackContainers`."""

    stack: str


@dataclass(frozen=True, slots=True)
class StackContainer:
    """A container of a service; `definition` is the fingerprint it was started with, when that is known.

    `volumes` are named ones and bound directories (`./NAME` in the run directory) that it may write to,
    `unnamed` the SOURCE:TARGET of volumes without a name that hold something.
    """

    service: str
    state: ContainerState
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    restart: str = ""
    definition: str = ""
    unnamed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackContainers:
    """All containers of a stack, stopped ones too, as seen at `at` (Unix seconds).

    `left_volumes` are what remains of one that has none.
    """

    at: float
    items: tuple[StackContainer, ...] = ()
    left_volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackImageOf(Query):
    """The local image a reference stands for, in the container engine's own storage. Yields `StackImage`."""

    ref: str


@dataclass(frozen=True, slots=True)
class StackImage:
    """`id` is empty when there is no such image; `digests` are those of its manifests."""

    id: str = ""
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServedOf(Query):
    """Whether a registry serves this image now. Yields `Served`."""

    ref: str


@dataclass(frozen=True, slots=True)
class Served:
    """`is_served`, and when not, why; `digests` are those of its manifests, as the registry names them."""

    is_served: bool
    says: str = ""
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackNetworks(Query):
    """Yields the names of the networks that exist, a tuple of texts."""


@dataclass(frozen=True, slots=True)
class StackRoom(Query):
    """Room where the stack, its backups and the images live. Yields a tuple of `Room`."""

    stack: str


@dataclass(frozen=True, slots=True)
class Room:
    """How much of the file system at `path` is free, in percent."""

    path: str
    free_percent: float


@dataclass(frozen=True, slots=True)
class HistoryOf(Query):
    """Yields `StackHistory`."""

    stack: str


@dataclass(frozen=True, slots=True)
class StackHistory:
    """`good` are versions that ran well, newest first; `broken` how many lines could not be read."""

    good: tuple[str, ...] = ()
    records: tuple[deploy_history.HistoryRecord, ...] = ()
    broken: int = 0


@dataclass(frozen=True, slots=True)
class ProofOf(Query):
    """Yields `Proven`; an edited proof is `Unknown` with code `proof-edited`."""

    family: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The proof there is, if any, and the time it was looked at, in Unix seconds."""

    proof: promotion.Proof | None
    now: float


@dataclass(frozen=True, slots=True)
class BackupSlot(Query):
    """Where the next backup of a stack goes. Yields `Slot`."""

    stack: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A directory that does not exist yet, named by the local time."""

    path: str
    at: float


@dataclass(frozen=True, slots=True)
class BackupAt(Query):
    """A backup by its directory. Yields `Backup` or None when there is no complete one."""

    stack: str
    path: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A complete, verified backup; `env_sha256` is that of the `.env` in it."""

    path: str
    at: float
    version: str = ""
    env_sha256: str = ""
    databases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SmokeOf(Query):
    """The stack's smoke checks, made once its containers are well. Yields `SmokeReport`."""

    stack: str


@dataclass(frozen=True, slots=True)
class SmokeReport:
    """`is_ready` is false while the containers are not well yet; then nothing was checked."""

    is_ready: bool
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackLogs(Query):
    """What a person wants to read when a stack is not well: `facts.DiagnosticReport`."""

    stack: str
    lines: int = 50


register(compose.Composition, compose.ComposeService, compose.ComposeNetwork)
register(deploy_history.HistoryRecord, promotion.Proof)
register(stack_map.Stack, stack_map.Database, stack_map.SmokeCheck)
register(ComposeEngineOf, ComposeEngine, CompositionOf, EnvFileOf, EnvFile, StackContainersOf)
register(StackContainer, StackContainers, StackImageOf, StackImage, ServedOf, Served, StackNetworks)
register(StackRoom, Room, HistoryOf, StackHistory, ProofOf, Proven, BackupSlot, Slot, BackupAt, Backup)
register(SmokeOf, SmokeReport, StackLogs)
