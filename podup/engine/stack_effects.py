"""How the queries and actions about stacks are answered on a machine: one row each."""

from collections.abc import Mapping
from pathlib import Path

from podup.core import dotenv, promotion
from podup.core.compose import Composition
from podup.core.numbers import counted
from podup.core.stack_map import SmokeCheck, Stack
from podup.engine import stack_backups, stack_sync
from podup.engine.stack_compose import env_path
from podup.engine.stack_machine import StackMachine
from podup.engine.world import World, at_once
from podup.errors import PodupError, Refused
from podup.host.compose_arguments import DOCKER, definitions_label
from podup.host.run import Command
from podup.recipes import stack_actions as actions
from podup.recipes import stack_facts as facts
from podup.recipes.facts import DiagnosticReport
from podup.recipes.stack_goal import kept_prefix
from podup.recipes.stack_health import ends_by_itself, is_current, judge_containers
from podup.recipes.stack_sync import CopyIn, SyncPlanOf
from podup.recipes.verbs import Health

_TRIES = 3
_PAUSE_S = 2.0
_FINAL_PULL_CODES = ("image-not-found", "registry-unauthorized", "disk-full", "pull-timeout")


def stack_world(machine: StackMachine) -> World:
    """Return the rows of both tables for stacks."""
    stack = machine.stack
    return World(
        observers={
            facts.ComposeEngineOf: lambda query: machine.compose.engine,
            facts.CompositionOf: lambda query: machine.composition(stack(query.stack), query.version),
            facts.EnvFileOf: lambda query: machine.env_file(stack(query.stack)),
            facts.StackContainersOf: lambda query: machine.containers(stack(query.stack)),
            facts.ServedOf: lambda query: _served(machine, query.ref),
            facts.StackNetworks: lambda query: machine.compose.networks(),
            facts.StackRoom: lambda query: machine.rooms(stack(query.stack)),
            facts.HistoryOf: lambda query: machine.history(query.stack),
            facts.ProofOf: lambda query: facts.Proven(machine.proof(query.family), machine.tools.clock.now()),
            facts.BackupSlot: lambda query: _slot(machine, stack(query.stack)),
            facts.BackupAt: lambda query: stack_backups.read_backup(Path(query.path)),
            SyncPlanOf: lambda query: stack_sync.sync_plan(
                stack(query.stack), machine.mounts(stack(query.stack))
            ),
            facts.SmokeOf: lambda query: smoke(machine, stack(query.stack)),
            facts.StackLogs: lambda query: _logs(machine, stack(query.stack), query.lines),
        },
        performers={
            actions.MakeBackup: lambda action: _back_up(machine, action),
            actions.KeepStackImage: lambda action: machine.compose.tag(action.source, action.name),
            actions.PullStackImage: lambda action: _pull(machine, action),
            actions.RequireDigest: lambda action: _require(machine, action),
            actions.SetVersion: lambda action: _set_version(machine, action),
            actions.RestoreEnv: lambda action: _restore_env(machine, action),
            actions.StackUp: lambda action: _up(machine, action),
            actions.RemoveContainers: lambda action: machine.compose.remove_containers(action.ids),
            actions.ConfirmUnchanged: lambda action: _confirm(machine, action),
            actions.ConfirmWell: lambda action: _confirm_well(machine, stack(action.stack)),
            actions.WriteProof: lambda action: _prove(machine, action),
            actions.PutProofBack: lambda action: machine.write_proof(stack(action.stack), action.proof),
            actions.PruneBackups: lambda action: _prune_backups(machine, action),
            CopyIn: lambda action: stack_sync.copy_in(stack(action.stack), action.path),
            actions.PruneKept: lambda action: _prune_kept(machine, action),
            actions.RestoreFiles: lambda action: _restore_files(machine, action),
            actions.RestoreDatabases: lambda action: _restore_databases(machine, action),
        },
        together={
            facts.StackImageOf: lambda queries: machine.compose.images([query.ref for query in queries]),
        },
    )


def smoke(machine: StackMachine, stack: Stack) -> facts.SmokeReport:
    """Make the smoke checks once the containers are well; each has three tries."""
    wanted, seen = machine.composition(stack, ""), machine.containers(stack)
    images = _image_ids(machine, wanted)
    if judge_containers(stack, wanted, images, before=seen, seen=seen).health is not Health.OK:
        return facts.SmokeReport(False)
    passed, failed = [], []
    for check in stack.smoke:
        why = _tried(machine, stack, check)
        if why:
            failed.append(f"{check.says}: {why}")
        else:
            passed.append(check.says)
    return facts.SmokeReport(True, tuple(passed), tuple(failed))


def _tried(machine: StackMachine, stack: Stack, check: SmokeCheck) -> str:
    """Return why a check failed three times, or an empty string."""
    why = ""
    for number in range(_TRIES):
        if number:
            machine.tools.clock.sleep(_PAUSE_S)
        why = _checked(machine, stack, check)
        if not why:
            return ""
    return why


def _checked(machine: StackMachine, stack: Stack, check: SmokeCheck) -> str:
    try:
        if check.http:
            return _http(machine, check)
        if check.database:
            database = next(item for item in stack.databases if item.name == check.database)
            reach = machine.reach(stack, database)
            said = machine.postgres.query(reach, database, "select 1", timeout_s=check.timeout_s)
            return "" if said == "1" else f"answers {said!r}"
        asked = Command(check.command, mutates=False, timeout_s=check.timeout_s)
        done = machine.tools.runner.run(asked)
        return "" if done.ok else f"exit {done.exit}"
    except PodupError as error:
        return error.message


def _http(machine: StackMachine, check: SmokeCheck) -> str:
    status, body = machine.tools.fetch(check.http, check.timeout_s)
    if status != check.status:
        return f"answers {status}, not {check.status}"
    if check.contains and check.contains not in body.decode(errors="replace"):
        return f"the answer does not contain {check.contains!r}"
    return ""


def _served(machine: StackMachine, ref: str) -> facts.Served:
    if ref.startswith("localhost/"):
        return facts.Served(False, "no registry can serve what is named localhost/")
    try:
        found = machine.tools.resolve(ref)
    except PodupError as error:
        return facts.Served(False, error.message)
    return facts.Served(True, digests=tuple(filter(None, (found.index_digest, found.digest))))


def _slot(machine: StackMachine, stack: Stack) -> facts.Slot:
    at = machine.tools.clock.now()
    name = machine.tools.clock.local(at).strftime("%Y%m%d-%H%M%S")
    directory = machine.backups_dir(stack)
    taken = {path.name for path in directory.iterdir()} if directory.is_dir() else set()
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return facts.Slot(str(directory / next(free for free in names if free not in taken)), at)


def _logs(machine: StackMachine, stack: Stack, lines: int) -> DiagnosticReport:
    """Return how the containers are, and the logs of those that do not run or were restarted, else of all."""
    items = machine.compose.containers(stack.project)
    states = [
        f"{item.service}: {item.state.status} {item.state.health} exit {item.state.exit_code},"
        f" {counted(item.state.restarts, 'restart')}"
        for item in items
    ]
    unwell = [item for item in items if _is_unwell(item)] or items
    logs = [f"--- {item.service}\n{machine.compose.logs(item.state.id, lines)}" for item in unwell]
    return DiagnosticReport("\n".join(states), "", "\n".join(logs))


def _is_unwell(item: facts.StackContainer) -> bool:
    return not item.state.running or item.state.restarts > 0 or item.state.health == "unhealthy"


def _back_up(machine: StackMachine, action: actions.MakeBackup) -> None:
    stack = machine.stack(action.stack)
    databases = stack.databases if action.dumps else ()
    reaches = tuple((database, machine.reach(stack, database)) for database in databases)
    dumps = stack_backups.Dumps(machine.postgres, reaches)
    stack_backups.make_backup(stack, Path(action.path), action.at, dumps, whole=action.whole)


def _pull(machine: StackMachine, action: actions.PullStackImage) -> None:
    for number in range(_TRIES):
        try:
            machine.compose.pull(action.ref, timeout_s=action.timeout_s)
            return
        except PodupError as error:
            if error.code in _FINAL_PULL_CODES or number == _TRIES - 1:
                raise
        machine.tools.clock.sleep(_PAUSE_S * (number + 1))


def _require(machine: StackMachine, action: actions.RequireDigest) -> None:
    image = machine.compose.image(action.ref)
    if action.digest not in {digest.partition("@")[2] for digest in image.digests}:
        says = f"{action.ref} has moved: it is not the image that was verified ({action.digest[:19]})"
        raise Refused("tag-moved", says, "deploy it to staging again, or use --force, which is put on record")


def _set_version(machine: StackMachine, action: actions.SetVersion) -> None:
    stack = machine.stack(action.stack)
    if machine.env_file(stack).sha256 != action.expected_sha256:
        raise Refused(
            "env-changed", f"{env_path(stack)} was changed by somebody else meanwhile", "look again"
        )
    data = env_path(stack).read_bytes()
    machine.write_env(stack, dotenv.replace(data, stack.tag_variable, action.version))


def _restore_env(machine: StackMachine, action: actions.RestoreEnv) -> None:
    stack = machine.stack(action.stack)
    copy = Path(action.backup) / ".env"
    if stack_backups.checksum(copy) != action.sha256:
        raise PodupError("backup-broken", f"{copy} is not the .env from before")
    machine.write_env(stack, copy.read_bytes())


def _up(machine: StackMachine, action: actions.StackUp) -> None:
    stack, compose = machine.stack(action.stack), machine.compose
    if compose.engine.dialect == DOCKER:
        compose.up(machine.place(stack), (), "", timeout_s=action.timeout_s)
        return
    wanted = machine.composition(stack, "")
    there: list[facts.StackContainer] = []
    images: dict[str, str] = {}
    at_once(
        (
            compose.prepare,
            lambda: there.extend(machine.containers(stack).items),
            lambda: images.update(_image_ids(machine, wanted)),
        )
    )
    stale = [item.state.id for item in there if _is_stale(stack, wanted, item, images)]
    compose.remove_containers(stale)
    left = compose.container_ids(stack.project) if stale else [item.state.id for item in there]
    kept = [item.service for item in there if item.state.id in left]
    missing = [service.name for service in wanted.services if kept.count(service.name) < service.replicas]
    definitions = definitions_label([(service.name, service.fingerprint) for service in wanted.services])
    if missing:
        compose.up(machine.place(stack), missing, definitions, timeout_s=action.timeout_s)


def _is_stale(
    stack: Stack, wanted: Composition, item: facts.StackContainer, images: Mapping[str, str]
) -> bool:
    """Return whether the container has to be replaced; what the compose file does not name stays."""
    service = wanted.service(item.service)
    if service is None:
        return False
    ended_well = ends_by_itself(stack, service) and item.state.exit_code == 0
    is_well = item.state.running or ended_well
    return not (is_well and is_current(service, item, images[service.image]))


def _image_ids(machine: StackMachine, wanted: Composition) -> dict[str, str]:
    """Return the local image id of each service's image, empty where it is not here."""
    refs = list(dict.fromkeys(service.image for service in wanted.services if service.image))
    found = machine.compose.images(refs)
    return {"": "", **{ref: image.id for ref, image in zip(refs, found, strict=True)}}


def _confirm(machine: StackMachine, action: actions.ConfirmUnchanged) -> None:
    stack = machine.stack(action.stack)
    ids = sorted(item.state.id for item in machine.compose.containers(stack.project))
    if machine.env_file(stack).sha256 != action.env_sha256 or ids != sorted(action.ids):
        raise PodupError("not-as-before", f"{stack.name} is not what it was before", "look at it")


def _confirm_well(machine: StackMachine, stack: Stack) -> None:
    wanted = machine.composition(stack, "")
    for item in machine.compose.containers(stack.project):
        comes_back = item.restart not in ("", "no")
        service = wanted.service(item.service)
        ended_well = bool(service and ends_by_itself(stack, service)) and item.state.exit_code == 0
        if not (item.state.running or comes_back or ended_well):
            raise PodupError("not-well", f"{item.service} is {item.state.status}", "`stack show` tells more")


def _prove(machine: StackMachine, action: actions.WriteProof) -> None:
    stack, tools = machine.stack(action.stack), machine.tools
    proof = promotion.Proof(
        stack.family, action.version, stack.name, round(tools.clock.now(), 3), tools.task_id, action.digests
    )
    machine.write_proof(stack, proof)


def _prune_backups(machine: StackMachine, action: actions.PruneBackups) -> None:
    stack_backups.prune_backups(machine.backups_dir(machine.stack(action.stack)), action.keep)


def _prune_kept(machine: StackMachine, action: actions.PruneKept) -> None:
    for name in machine.compose.names_below(kept_prefix(machine.stack(action.stack))):
        if name not in action.spare:
            machine.compose.untag(name)


def _restore_files(machine: StackMachine, action: actions.RestoreFiles) -> None:
    stack, backup = machine.stack(action.stack), Path(action.backup)
    manifest = stack_backups.check_backup(backup)
    if stack.compose_file in manifest["files"]:
        stack_backups.put_compose_file_back(stack, backup)
    if ".env" in manifest["files"]:
        machine.write_env(stack, (backup / ".env").read_bytes(), mode=manifest["env_mode"])


def _restore_databases(machine: StackMachine, action: actions.RestoreDatabases) -> None:
    stack, backup = machine.stack(action.stack), Path(action.backup)
    manifest = stack_backups.check_backup(backup)
    for database in stack.databases:
        told = manifest["databases"].get(database.name)
        if told is not None:
            machine.postgres.restore(machine.reach(stack, database), database, backup / told["file"])
