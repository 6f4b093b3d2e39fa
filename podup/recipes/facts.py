"""What can be seen of services and images: queries, and the values they yield.

Image ids and digests are always written `sha256:<hex>`; an absent one is the empty string. Podman's image
id equals the registry's config digest, except for images pulled in parts (zstd:chunked, Podman 5), so a
container's image is held against what `ImageAt` says of the local reference, never against the registry.

`systemctl show` answers for a unit that does not exist (`load` is then `not-found`), so `UnitStateOf` and
`UnitConfigOf` always have a value; `ContainerOf` and `ImageAt` yield None when there is none.
"""

from podup.recipes.codec import register
from podup.recipes.health_checks import HealthCheck
from podup.recipes.verbs import Query
from podup.records import dataclass

PROBE_LABEL = "io.podup.probe"


@dataclass(frozen=True, slots=True)
class UnitStateOf(Query):
    """Yields `UnitState`."""

    unit: str


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit as systemd sees it (systemctl(1), org.freedesktop.systemd1(5)).

    `exec_code` is how the main process ended (0 never, 1 exited, 2 killed, 3 dumped: the CLD_ codes) and
    `exec_status` its exit code or signal. `result` is `success`, `exit-code`, `signal`, `timeout`,
    `start-limit-hit`, `oom-kill` ...; a unit that failed until the start limit keeps the result of its
    failures, so that `active` being `failed` is what tells that it has to be reset. `manager` is the option
    by which systemctl reaches the manager that said so.
    """

    unit: str
    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    restarts: int = 0
    fragment: str = ""
    source: str = ""
    need_reload: bool = False
    file_state: str = ""
    exec_code: int = 0
    exec_status: int = 0
    kind: str = ""
    invocation: str = ""
    triggered_by: tuple[str, ...] = ()
    manager: str = "--user"

    @property
    def is_job(self) -> bool:
        """Return whether it works and ends: a oneshot unit, or one that a timer starts."""
        return self.kind == "oneshot" or any(other.endswith(".timer") for other in self.triggered_by)

    @property
    def exists(self) -> bool:
        return self.load not in ("not-found", "")

    @property
    def is_active(self) -> bool:
        return self.active == "active"

    @property
    def is_changing(self) -> bool:
        """Return whether it is on its way: waiting for readiness, for a restart or for its end."""
        return self.active in ("activating", "deactivating", "reloading") or self.sub == "auto-restart"

    @property
    def is_alive(self) -> bool:
        """Return whether it runs or is on its way."""
        return self.is_active or self.is_changing


@dataclass(frozen=True, slots=True)
class UnitConfigOf(Query):
    """Yields `UnitConfig`."""

    unit: str


@dataclass(frozen=True, slots=True)
class UnitConfig:
    """What the unit's files say.

    `source` is `quadlet` (a `.container` file), `kube`, `pod`, `image` (Quadlet files of that kind, or
    units that do the same), `podman-run`, `podman-start` (a unit that starts a container made before: a
    restart cannot give it a new image), `auto-update` or `unknown`. `pull_policy` is `missing`, `always`,
    `newer`, `never` or empty when nothing is said (then `missing`). `pulls_at_start` is true when the
    start itself may fetch another image, `pinned` when the image is named by digest. `labels` are those
    of the unit's files, sorted; the image's own are not among them, so an image cannot name a probe.
    `is_labelled` tells that podman knows which unit the container is of, without a name too.
    """

    unit: str
    source: str = "unknown"
    image: str = ""
    pull_policy: str = ""
    pulls_at_start: bool = False
    pinned: bool = False
    container_name: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    path: str = ""
    auto_update: str = ""
    is_labelled: bool = True

    @property
    def probe(self) -> str:
        """Return the probe the unit asks for, or an empty string."""
        return dict(self.labels).get(PROBE_LABEL, "")


@dataclass(frozen=True, slots=True)
class FoundService:
    """A unit worth knowing, and where it is known from: `manual`, `quadlet`, `podman` or `systemd`.

    `kind` is the source of its `UnitConfig`. `image` is empty when there is none to deploy. `problem` says
    why it cannot be deployed as its files stand, or why nothing more is known.
    """

    unit: str
    slug: str
    source: str
    kind: str = "unknown"
    image: str = ""
    container_name: str = ""
    path: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    auto_update: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ContainerOf(Query):
    """The newest container that systemd unit `unit` runs. Yields `ContainerState` or None."""

    unit: str


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container. `health` is empty when it has no health check, else starting, healthy or unhealthy.

    `image_ref` is what it was started from, `status` podman's word (created, running, exited, stopped,
    paused ...), `started_at` in Unix seconds (0 never), `restarts` those podman itself made.
    """

    id: str
    name: str
    image_id: str
    image_ref: str = ""
    image_digest: str = ""
    status: str = ""
    running: bool = False
    exit_code: int = 0
    restarts: int = 0
    started_at: float = 0.0
    health: str = ""
    health_says: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    check: HealthCheck = HealthCheck()

    @property
    def is_unwell(self) -> bool:
        """Return whether its health check has failed, and not only too early."""
        return self.health == "unhealthy" and not self.check.is_early


@dataclass(frozen=True, slots=True)
class ImageAt(Query):
    """The local image that a reference (name with tag or digest, or an id) stands for.

    Yields `LocalImage` or None.
    """

    ref: str


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image in local storage. `digest` is its manifest's; `repo_digests` are `name@sha256:...`.

    `names` are its tags (may be none), `containers` how many containers use it (-1 when not counted).
    `created_at` is when it was built, in Unix seconds; reproducible builds all say the same.
    """

    id: str
    digest: str = ""
    names: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    size_bytes: int = 0
    created_at: float = 0.0
    containers: int = -1
    architecture: str = ""

    @property
    def is_dangling(self) -> bool:
        return not self.names


@dataclass(frozen=True, slots=True)
class ImagesOf(Query):
    """All local images with a tag or a digest in one of these repositories. Yields a tuple of `LocalImage`.

    A repository is a reference without tag and digest: `ghcr.io/owner/name`.
    """

    repositories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoteImageOf(Query):
    """What the registry has under a reference for this machine's platform. Yields `RemoteImage`."""

    ref: str


@dataclass(frozen=True, slots=True)
class RemoteTagsOf(Query):
    """The tags of the repository a reference names. Yields a tuple of text."""

    ref: str


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """`index_digest` is empty when the tag names a single manifest; `digest` is the platform's manifest."""

    digest: str
    index_digest: str = ""
    image_id: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Dependants(Query):
    """Units that need `unit`: their Requires=, BindsTo= or PartOf= point at it.

    Yields pairs of unit and its active state (`active`, `inactive`, `failed` ...), sorted. Those that
    systemd has not loaded are not up and may be left out.
    """

    unit: str


@dataclass(frozen=True, slots=True)
class DiskRoom(Query):
    """Room where podman keeps its images (`images`), or at an absolute path. Yields `DiskSpace`."""

    what: str = "images"


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """A file system: what an ordinary user can still write, and its size."""

    path: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class ProbeResult(Query):
    """One try of a probe: `http://host:port/path` (2xx and 3xx are well), `tcp://host:port`, `command:ARGV`.

    Yields `Probed`.
    """

    spec: str
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Probed:
    """How the probe went, and the sentence about it."""

    ok: bool
    says: str


@dataclass(frozen=True, slots=True)
class Diagnostics(Query):
    """What a person wants to read when a unit is not well; `lines` of each log. Yields `DiagnosticReport`."""

    unit: str
    lines: int = 100


@dataclass(frozen=True, slots=True)
class DiagnosticReport:
    """The output of `systemctl status`, the unit's journal and the container's log, newest lines last."""

    status: str
    journal: str
    container_log: str


@dataclass(frozen=True, slots=True)
class AutoUpdateOutlook(Query):
    """What `podman auto-update --dry-run` would do. Yields a tuple of `AutoUpdateRow`."""


@dataclass(frozen=True, slots=True)
class AutoUpdateRow:
    """One container `podman auto-update` looks after; `updated` is `true`, `false`, `pending` ..."""

    unit: str
    container: str
    image: str
    policy: str
    updated: str


register(UnitStateOf, UnitState, UnitConfigOf, UnitConfig, FoundService, ContainerOf, ContainerState)
register(ImageAt, LocalImage, ImagesOf, RemoteImageOf, RemoteTagsOf, RemoteImage)
register(Dependants, DiskRoom, DiskSpace, ProbeResult, Probed, Diagnostics, DiagnosticReport)
register(AutoUpdateOutlook, AutoUpdateRow)
