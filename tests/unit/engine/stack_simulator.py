"""A machine with one compose stack that follows rules: what a version does when it runs is a row of a table.

Containers are made by `up` from what `.env` says at that moment, like podman-compose: exit 0 proves nothing.
Time is a number; a step of the engine's clock lets containers get ready, sicken or crash. Faults are state:
`broken` names actions that fail, `kill_at` the number of the action during which the process dies.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from podup.core import compose, deploy_history, promotion
from podup.core.stack_map import Stack, stacks_from
from podup.engine.world import World
from podup.errors import PodupError
from podup.recipes import stack_actions as actions
from podup.recipes import stack_facts as facts
from podup.recipes.facts import ContainerState, DiagnosticReport, Probed
from podup.recipes.health_checks import HealthCheckNow
from podup.recipes.stack_goal import kept_prefix
from podup.recipes.stack_health import judge_containers
from podup.recipes.verbs import Health

REPOSITORY = "ghcr.io/acme/odoo"
FILE = """\
services:
  web:
    image: ghcr.io/acme/odoo:${TAG}
    restart: always
    healthcheck: {test: ["CMD", "true"]}
    ports: ["8069:8069"]
  db:
    image: postgres:15
    volumes: ["data:/data"]
volumes: {data: {}}
"""
ROW: dict[str, Any] = {
    "env": "prod", "tag_variable": "TAG", "settle_s": 3, "deadline_s": 30, "min_free_percent": 20,
    "databases": [{"name": "odoo", "service": "db"}],
    "smoke": [{"http": "http://web.example/"}],
}  # fmt: skip


class Killed(BaseException):
    """The process is gone."""


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def local(self, unix_s: float) -> datetime:
        return datetime.fromtimestamp(unix_s, UTC)


class Machine:
    """The stack `odoo-prod` (or another row) on a machine of its own. `rows` are what its database holds."""

    def __init__(self, clock: Clock, *, name: str = "odoo-prod", version: str = "v1", **row: Any) -> None:
        self.clock = clock
        values = {**ROW, **row}
        table: dict[str, Any] = {name: values}
        if values["env"] == "prod":
            table["odoo-staging"] = {**ROW, "env": "staging"}
        self.stack: Stack = stacks_from(table, stacks_dir="/srv/stacks")[0]
        self.file = FILE
        self.env = f"# settings\r\nTAG='{version}'\r\n".encode()
        self.version = version
        self.registry = {f"{REPOSITORY}:{v}": f"id-{v}" for v in ("v1", "v2", "v3")} | {
            "postgres:15": "id-pg"
        }
        self.images = {f"{REPOSITORY}:{version}": f"id-{version}", "postgres:15": "id-pg"}
        self.moved_meanwhile: dict[str, str] = {}
        self.behaviour: dict[str, str] = {}
        self.containers: dict[str, facts.StackContainer] = {}
        self.born: dict[str, float] = {}
        self.left_volumes: tuple[str, ...] = ()
        self.networks: tuple[str, ...] = ()
        self.free_percent = 60.0
        self.proof: promotion.Proof | None = None
        self.proof_is_edited = False
        self.backups: dict[str, facts.Backup] = {}
        self.env_copies: dict[str, bytes] = {}
        self.records: list[deploy_history.HistoryRecord] = []
        self.smoke_answers: list[bool] = []
        self.broken: dict[str, str] = {}
        self.kill_at = 0
        self.performed: list[str] = []
        self.rows = 1000
        self._made = 0
        self.up()

    def world(self) -> World:
        observers = {
            HealthCheckNow: lambda query: Probed(False, "it fails as often as it is made"),
            facts.ComposeEngineOf: lambda q: facts.ComposeEngine("sim", ("sim",), "podman-compose", "podman"),
            facts.CompositionOf: lambda q: self.composition(q.version),
            facts.EnvFileOf: lambda q: self.env_file(),
            facts.StackContainersOf: lambda q: self.seen(),
            facts.StackImageOf: lambda q: self.image(q.ref),
            facts.ServedOf: lambda q: self.served(q.ref),
            facts.StackNetworks: lambda q: self.networks,
            facts.StackRoom: lambda q: (facts.Room("/srv", self.free_percent),),
            facts.HistoryOf: lambda q: facts.StackHistory(
                deploy_history.good_versions(self.records, q.stack), tuple(self.records)
            ),
            facts.ProofOf: lambda q: self.proven(),
            facts.BackupSlot: lambda q: self.slot(),
            facts.BackupAt: lambda q: self.backups.get(q.path),
            facts.SmokeOf: lambda q: self.smoke(),
            facts.StackLogs: lambda q: DiagnosticReport("web: exited", "", "--- web"),
        }
        performers = {
            kind: (lambda action, act=act: self._perform(action, act))
            for kind, act in {
                actions.MakeBackup: self.back_up,
                actions.KeepStackImage: self.keep,
                actions.PullStackImage: self.pull,
                actions.RequireDigest: self.require,
                actions.SetVersion: self.set_version,
                actions.RestoreEnv: self.restore_env,
                actions.StackUp: lambda action: self.up(),
                actions.RemoveContainers: self.remove,
                actions.ConfirmUnchanged: self.confirm,
                actions.ConfirmWell: lambda action: None,
                actions.WriteProof: self.prove,
                actions.PutProofBack: lambda action: setattr(self, "proof", action.proof),
                actions.PruneBackups: lambda action: None,
                actions.PruneKept: self.prune_kept,
            }.items()
        }
        return World(observers, performers)

    def _perform(self, action: Any, act: Any) -> None:
        self.performed.append(type(action).__name__)
        name = type(action).__name__
        if self.kill_at == len(self.performed):
            self.kill_at = 0
            act(action)
            raise Killed
        if name in self.broken:
            raise PodupError("broken", self.broken[name])
        act(action)

    def variables(self, version: str) -> dict[str, str]:
        return {"TAG": version or self.version}

    def composition(self, version: str) -> compose.Composition:
        return compose.read_file(self.file, self.variables(version), self.stack.project)

    def env_file(self) -> facts.EnvFile:
        return facts.EnvFile(hashlib.sha256(self.env).hexdigest(), self.version)

    def image(self, ref: str) -> facts.StackImage:
        known = self.images.get(ref, "")
        return facts.StackImage(known, (f"{REPOSITORY}@sha256:{known}",) if known else ())

    def served(self, ref: str) -> facts.Served:
        if ref not in self.registry:
            return facts.Served(False, "manifest unknown")
        return facts.Served(True, digests=(f"sha256:{self.registry[ref]}",))

    def proven(self) -> facts.Proven:
        if self.proof_is_edited:
            raise PodupError("proof-edited", "the record of the proof was edited")
        return facts.Proven(self.proof, self.clock.now())

    def slot(self) -> facts.Slot:
        return facts.Slot(f"/srv/backups/{self.stack.name}/{self.clock.now()}", self.clock.now())

    def seen(self) -> facts.StackContainers:
        self._live()
        left = () if self.containers else self.left_volumes
        return facts.StackContainers(self.clock.now(), tuple(self.containers.values()), left)

    def smoke(self) -> facts.SmokeReport:
        seen, wanted = self.seen(), self.composition("")
        if judge_containers(self.stack, wanted, self.images, before=seen, seen=seen).health is not Health.OK:
            return facts.SmokeReport(False)
        for _ in range(3):
            if not self.smoke_answers or self.smoke_answers.pop(0):
                return facts.SmokeReport(True, ("http://web.example/",))
        return facts.SmokeReport(True, (), ("http://web.example/: answers 500, not 200",))

    def back_up(self, action: actions.MakeBackup) -> None:
        self._live()
        db = self.containers.get("db")
        if action.dumps and (db is None or not db.state.running):
            raise PodupError("database-down", "db, where the database odoo lives, is not running")
        self.env_copies[action.path] = self.env
        sha256 = hashlib.sha256(self.env).hexdigest()
        self.backups[action.path] = facts.Backup(action.path, action.at, self.version, sha256, ("odoo",))

    def keep(self, action: actions.KeepStackImage) -> None:
        known = self.images.get(action.source, action.source)
        if not known.startswith("id-"):
            raise PodupError("image-not-local", f"{action.source} is not there")
        self.images[action.name] = known

    def pull(self, action: actions.PullStackImage) -> None:
        if action.ref not in self.registry:
            raise PodupError("image-not-found", f"{action.ref} could not be fetched: manifest unknown")
        self.images[action.ref] = self.moved_meanwhile.get(action.ref, self.registry[action.ref])

    def require(self, action: actions.RequireDigest) -> None:
        if f"{REPOSITORY}@{action.digest}" not in self.image(action.ref).digests:
            raise PodupError("tag-moved", f"{action.ref} has moved")

    def set_version(self, action: actions.SetVersion) -> None:
        if self.env_file().sha256 != action.expected_sha256:
            raise PodupError("env-changed", ".env was changed by somebody else")
        self.env = self.env.replace(self.version.encode(), action.version.encode())
        self.version = action.version

    def restore_env(self, action: actions.RestoreEnv) -> None:
        self.env = self.env_copies[action.backup]
        self.version = self.env.decode().split("'")[1]

    def up(self) -> None:
        for service in self.composition("").services:
            old = self.containers.get(service.name)
            image = self.images.get(service.image, "")
            if old is None or not old.state.running or old.state.image_id != image:
                self.containers.pop(service.name, None)
                if image:
                    self._start(service, image)

    def remove(self, action: actions.RemoveContainers) -> None:
        self.containers = {
            name: item for name, item in self.containers.items() if item.state.id not in action.ids
        }

    def confirm(self, action: actions.ConfirmUnchanged) -> None:
        ids = sorted(item.state.id for item in self.containers.values())
        if ids != sorted(action.ids) or self.env_file().sha256 != action.env_sha256:
            raise PodupError("not-as-before", "it is not what it was before")

    def prove(self, action: actions.WriteProof) -> None:
        self.proof = promotion.Proof(
            self.stack.family, action.version, self.stack.name, self.clock.now(), "tsk_x", action.digests
        )

    def prune_kept(self, action: actions.PruneKept) -> None:
        prefix = kept_prefix(self.stack)
        gone = [name for name in self.images if name.startswith(prefix) and name not in action.spare]
        for name in gone:
            del self.images[name]

    def _start(self, service: compose.ComposeService, image: str) -> None:
        self._made += 1
        now = self.clock.now()
        health = "starting" if service.has_healthcheck else ""
        state = ContainerState(
            f"c{self._made}", service.name, image, service.image, status="running", running=True,
            started_at=now, health=health,
        )  # fmt: skip
        ports = ("8069:8069",) if service.ports else ()
        volumes = ("data",) if service.volumes else ()
        item = facts.StackContainer(service.name, state, ports, volumes, service.restart)
        self.containers[service.name] = item
        self.born[state.id] = now
        self._live()

    def _live(self) -> None:
        """Let every container do what its image does after the time it has had."""
        for name, item in list(self.containers.items()):
            age = self.clock.now() - self.born[item.state.id]
            what = self.behaviour.get(item.state.image_id, "good")
            self.containers[name] = replace(item, state=_aged(item.state, what, age))


def _aged(state: ContainerState, what: str, age: float) -> ContainerState:
    ready = "healthy" if state.health and age >= 1 else state.health
    if what == "exits":
        return replace(state, status="exited", running=False, exit_code=1, restarts=int(age))
    if what == "crash-loops":
        return replace(state, restarts=int(age // 2), started_at=state.started_at + 2 * int(age // 2))
    if what == "slow-crash-loop":
        period = 2.5
        times = int(age // period)
        return replace(state, health=ready, restarts=0, started_at=state.started_at + period * times)
    if what in ("sickens", "sickens-late"):
        sick = age >= (2 if what == "sickens" else 6)
        return replace(state, health="unhealthy" if sick else ready)
    if what == "never-ready":
        return state
    return replace(state, health=ready)
