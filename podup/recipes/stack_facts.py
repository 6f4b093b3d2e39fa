"""What can be seen of, and done to, compose stacks: queries, the values they yield, and actions.

Stacks are named; the effects know the stack's row by its name. A composition is the compose file with its
variables filled in: as `.env` stands (`version` empty), or as it would be with another version. The content
of `.env` never travels through a journal, only its checksum and the one variable that names the version.
"""

from podup.core import compose, deploy_history, promotion, stack_map
from podup.recipes.codec import register
from podup.recipes.facts import ContainerState
from podup.recipes.verbs import Action, Query
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


@dataclass(frozen=True, slots=True)
class MakeBackup(Action):
    """Back up compose file, `.env` and databases into `path`, verified; all or nothing.

    `dumps` false leaves the databases out (a return to an older version while the database is down), `whole`
    false a file that is not there (it is about to be put back).
    """

    stack: str
    path: str
    at: float
    dumps: bool = True
    whole: bool = True


@dataclass(frozen=True, slots=True)
class KeepStackImage(Action):
    """Let `name` stand for the local image `source`, so that nothing prunes or moves it."""

    source: str
    name: str


@dataclass(frozen=True, slots=True)
class PullStackImage(Action):
    """Fetch an image under its tag. A pull that takes longer than `timeout_s` fails."""

    ref: str
    timeout_s: float = 600.0


@dataclass(frozen=True, slots=True)
class RequireDigest(Action):
    """Fail unless the local image of `ref` has this digest: that of what staging ran."""

    ref: str
    digest: str


@dataclass(frozen=True, slots=True)
class SetVersion(Action):
    """Write the version into `.env`, whose checksum still has to be `expected_sha256`."""

    stack: str
    version: str
    expected_sha256: str


@dataclass(frozen=True, slots=True)
class RestoreEnv(Action):
    """Put the `.env` of a backup back, byte for byte; its checksum has to be `sha256`."""

    stack: str
    backup: str
    sha256: str


@dataclass(frozen=True, slots=True)
class StackUp(Action):
    """Let the stack run what its files say now; only containers that differ are replaced."""

    stack: str
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class RemoveContainers(Action):
    """Stop and remove these containers (ids); volumes stay."""

    stack: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfirmUnchanged(Action):
    """Fail unless `.env` has this checksum and exactly these containers (ids) are there."""

    stack: str
    env_sha256: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfirmWell(Action):
    """Fail when a container of the stack has ended for good; the judging that follows looks closer."""

    stack: str


@dataclass(frozen=True, slots=True)
class WriteProof(Action):
    """Record that `version` was proven on this stack, with the digests that ran."""

    stack: str
    version: str
    digests: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PutProofBack(Action):
    """Let the family's proof be `proof` again; None takes it away."""

    stack: str
    proof: promotion.Proof | None


@dataclass(frozen=True, slots=True)
class PruneBackups(Action):
    """Keep the newest `keep` complete backups with dumps, as many without, and what is no backup of ours."""

    stack: str
    keep: int


@dataclass(frozen=True, slots=True)
class PruneKept(Action):
    """Let go of images kept for the stack, but those under the given names."""

    stack: str
    spare: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RestoreFiles(Action):
    """Put compose file and `.env` of a backup back into the run directory, as far as they are in it."""

    stack: str
    backup: str


@dataclass(frozen=True, slots=True)
class RestoreDatabases(Action):
    """Load the dumps of a backup, each in one transaction: a database is changed whole or not at all."""

    stack: str
    backup: str


register(compose.Composition, compose.ComposeService, compose.ComposeNetwork)
register(deploy_history.HistoryRecord, promotion.Proof)
register(stack_map.Stack, stack_map.Database, stack_map.SmokeCheck)
register(ComposeEngineOf, ComposeEngine, CompositionOf, EnvFileOf, EnvFile, StackContainersOf)
register(StackContainer, StackContainers, StackImageOf, StackImage, ServedOf, Served, StackNetworks)
register(StackRoom, Room, HistoryOf, StackHistory, ProofOf, Proven, BackupSlot, Slot, BackupAt, Backup)
register(SmokeOf, SmokeReport, StackLogs, MakeBackup, KeepStackImage, PullStackImage, RequireDigest)
register(
    SetVersion, RestoreEnv, StackUp, RemoveContainers, ConfirmUnchanged, ConfirmWell, WriteProof, PutProofBack
)
register(PruneBackups, PruneKept, RestoreFiles, RestoreDatabases)
