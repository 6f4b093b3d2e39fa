"""What stacks are made of on a machine: the compose engine, the databases, and the files around them."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from podup.clock import Clock
from podup.core import deploy_history, dotenv, promotion
from podup.core.compose import Composition
from podup.core.stack_map import Database, Stack, find_stack
from podup.engine.stack_backups import backups_of
from podup.engine.stack_compose import (
    env_path,
    filled,
    holding_data,
    mounts_of,
    placed,
    read_composition,
    told_composition,
)
from podup.engine.stack_log import StackLog
from podup.errors import Invalid, PodupError, Refused
from podup.files import durable_write, make_dirs, remove, sync_dir
from podup.host.compose import Compose
from podup.host.compose_arguments import Place
from podup.host.compose_engines import EngineSearch
from podup.host.postgres import Postgres, Reach, reach_container, reach_host
from podup.host.run import Runner
from podup.recipes.facts import RemoteImage
from podup.recipes.stack_facts import EnvFile, Room, StackContainers, StackHistory
from podup.records import dataclass, replace

_PROOF_MODE = 0o644
_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class StackRoots:
    """Where backups, proofs and the history are kept."""

    backups: Path
    releases: Path
    history: Path


@dataclass(frozen=True, slots=True)
class StackTools:
    """What a stack machine is given. `resolve` asks a registry; `fetch` gets a URL: (status, body).

    `manager` tells `user`, `system` or nothing, the systemd that gives scopes; `podman_store` where podman
    keeps its images; `task_id` names who records.
    """

    runner: Runner
    private: Runner
    clock: Clock
    resolve: Callable[[str], RemoteImage]
    fetch: Callable[[str, float], tuple[int, bytes]]
    manager: Callable[[], str]
    podman_store: Callable[[], str]
    roots: StackRoots
    stacks: tuple[Stack, ...]
    task_id: str = ""


class StackMachine:
    """Stacks by name on one machine. The compose engine is looked for once."""

    def __init__(self, tools: StackTools) -> None:
        self.tools = tools
        self.postgres = Postgres(tools.private)
        search = EngineSearch(tools.runner)
        self.compose = Compose(tools.runner, search, private=tools.private, manager=tools.manager)

    def stack(self, name: str) -> Stack:
        return find_stack(self.tools.stacks, name)

    def place(self, stack: Stack) -> Place:
        return Place(stack.project, stack.run_dir, stack.compose_file)

    def backups_dir(self, stack: Stack) -> Path:
        return self.tools.roots.backups / stack.name

    def composition(self, stack: Stack, version: str) -> Composition:
        """Return the compose file filled in, with `version` in the place of what `.env` says, if any."""
        override = {stack.tag_variable: version} if version and stack.tag_variable else {}
        values = {**self._variables(stack), **override}
        if not self.compose.engine.has_config:
            return read_composition(stack, values)
        tree, unset = self.compose.config(self.place(stack), override)
        return told_composition(stack, values, tree, unset)

    def mounts(self, stack: Stack) -> tuple[str, ...]:
        """Return SOURCE:TARGET of all that services mount, also those of other profiles.

        Without a compose file there is nothing; one that nobody understands is an error, as what the
        containers write to is not known then.
        """
        if not Path(stack.run_dir, stack.compose_file).exists():
            return ()
        try:
            return mounts_of(stack, self._variables(stack))
        except Invalid:
            services = self.composition(stack, "").services
        return tuple(volume for service in services for volume in service.volumes)

    def containers(self, stack: Stack) -> StackContainers:
        """Return the containers of a stack. Raises Refused when another project's run in its directory."""
        found = self.compose.containers(stack.project)
        left: tuple[str, ...] = ()
        if not found:
            self._refuse_another(stack)
            left = self.compose.volumes(stack.project)
        items = (
            replace(item, volumes=placed(stack, holding_data(item.volumes)), unnamed=filled(item.unnamed))
            for item in found
        )
        return StackContainers(self.tools.clock.now(), tuple(items), left)

    def _refuse_another(self, stack: Stack) -> None:
        """Under another name the project would get volumes of its own: empty ones, beside the data."""
        for directory in dict.fromkeys((stack.run_dir, os.path.realpath(stack.run_dir))):
            others = self.compose.projects_in(directory)
            if others:
                says = f"the containers started in {directory} belong to the project {', '.join(others)}"
                hint = f'set project = "{others[0]}" for {stack.name} in the configuration'
                raise Refused("project-differs", f"{says}, not to {stack.project}", hint)

    def env_file(self, stack: Stack) -> EnvFile:
        """Return what `.env` says; a file that is not there is an answer too."""
        path = env_path(stack)
        if not path.is_file():
            return EnvFile()
        data = path.read_bytes()
        version = dotenv.variables(data).get(stack.tag_variable, "")
        return EnvFile(hashlib.sha256(data).hexdigest(), version, dotenv.duplicates(data))

    def write_env(self, stack: Stack, data: bytes, *, mode: int = 0o600) -> None:
        """Replace `.env` durably; mode and owner stay, and of a link the file that it names is replaced.

        `mode` is for one that is not there.
        """
        path = env_path(stack).resolve()
        durable_write(path, data, mode=path.stat().st_mode & 0o777 if path.exists() else mode)

    def reach(self, stack: Stack, database: Database) -> Reach:
        """Return the way to a database. Raises PodupError `database-down` when its service does not run."""
        if database.host:
            return reach_host(database)
        for item in self.compose.containers(stack.project):
            if item.service == database.service and item.state.running:
                return reach_container(self.compose.below, item.state.id, database)
        says = f"{database.service}, where the database {database.name} lives, is not running"
        start = f"`{self.compose.engine.name} up -d {database.service}` in {stack.run_dir}"
        raise PodupError("database-down", says, f"start it with {start}; `stack show` tells how it is")

    def rooms(self, stack: Stack) -> tuple[Room, ...]:
        """Return the free part of each file system that a deployment writes to."""
        is_podman = self.compose.below == "podman"
        store = self.tools.podman_store() if is_podman else self.compose.docker_store()
        paths = (stack.run_dir, str(self.tools.roots.backups), store)
        return tuple(_room(Path(path)) for path in dict.fromkeys(paths) if path)

    def history(self, stack: str) -> StackHistory:
        """Return what the log says of a stack; no log is an empty history.

        What a backup was made of ran before a change, so it counts as good, after what the log has.
        """
        own, broken = StackLog(self.tools.roots.history, self.tools.clock).of_stack(stack)
        known = {record.version for record in own if record.action in ("deploy", "rollback")}
        backups = backups_of(self.tools.roots.backups / stack)
        older = [backup.version for backup in backups if backup.version and backup.version not in known]
        good = (*deploy_history.good_versions(own, stack), *dict.fromkeys(older))
        return StackHistory(good, own, broken)

    def proof(self, family: str) -> promotion.Proof | None:
        """Return the family's proof. Raises Invalid `proof-edited`.

        Two files cannot be replaced at once: what does not fit together is read once more.
        """
        try:
            return self._read_proof(family)
        except Invalid:
            self.tools.clock.sleep(_AGAIN_S)
            return self._read_proof(family)

    def _read_proof(self, family: str) -> promotion.Proof | None:
        text, record = (_read(self._proof_path(family, ending)) for ending in ("txt", "json"))
        return promotion.read_proof(text, record)

    def write_proof(self, stack: Stack, proof: promotion.Proof | None) -> None:
        """Let this be the family's proof, and the version the stack's own file names; None takes it away."""
        text = promotion.render_text(proof) if proof else None
        record = promotion.render_record(proof) if proof else None
        directory = self.tools.roots.releases / "verified"
        make_dirs(directory, mode=0o755)
        self._put(self._proof_path(stack.family, "json"), record)
        self._put(self._proof_path(stack.family, "txt"), text)
        if stack.name != stack.family:
            self._put(self._proof_path(stack.name, "txt"), text)
        sync_dir(directory)

    def _put(self, path: Path, data: bytes | None) -> None:
        if data is None:
            remove(path, missing_ok=True)
        else:
            durable_write(path, data, mode=_PROOF_MODE)

    def _proof_path(self, name: str, ending: str) -> Path:
        return self.tools.roots.releases / "verified" / f"{name}.{ending}"

    def _variables(self, stack: Stack) -> dict[str, str]:
        path = env_path(stack)
        return dotenv.variables(path.read_bytes()) if path.is_file() else {}


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _room(path: Path) -> Room:
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    return Room(str(path), 100.0 * found.f_bavail / max(found.f_blocks, 1))
