"""What can be done to compose stacks: every effect a task on one may have, one record each.

Stacks are named; `podup.engine.stack_effects` knows the stack's row by its name, and how each is done.
"""

from podup.core.promotion import Proof
from podup.recipes.codec import register
from podup.recipes.verbs import Action
from podup.records import dataclass


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
    proof: Proof | None


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


register(MakeBackup, KeepStackImage, PullStackImage, RequireDigest, SetVersion, RestoreEnv, StackUp)
register(RemoveContainers, ConfirmUnchanged, ConfirmWell, WriteProof, PutProofBack, PruneBackups, PruneKept)
register(RestoreFiles, RestoreDatabases)
