"""The checks before a deployment, as a table: each passes, warns or blocks, with a hint what to do.

What blocks stops the deployment before anything is touched. `is_forcible` are those that `--force` turns into
a warning; the others would fail the deployment anyway, or cannot be judged.
"""

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum

from podup.core.compose import ComposeService, Composition
from podup.core.stack_map import Stack, project_of
from podup.records import dataclass


class Mark(StrEnum):
    """How a check came out."""

    PASS = "pass"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table."""

    name: str
    mark: Mark
    says: str
    hint: str = ""
    code: str = ""
    is_forcible: bool = False


@dataclass(frozen=True, slots=True)
class Mounted:
    """What a running service has: published ports and volumes in the words of the compose file.

    `left_behind` are the places in it whose data a new container would not get.
    """

    service: str
    ports: tuple[str, ...]
    volumes: tuple[str, ...]
    left_behind: tuple[str, ...] = ()


def forced(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks as `--force` sees them."""
    return tuple(
        Check(check.name, Mark.WARN, check.says, "passed over by --force", check.code, True)
        if check.mark is Mark.BLOCK and check.is_forcible
        else check
        for check in checks
    )


def first_block(checks: Iterable[Check]) -> Check | None:
    """Return the first check that blocks."""
    return next((check for check in checks if check.mark is Mark.BLOCK), None)


def check_file(composition: Composition) -> tuple[Check, ...]:
    """The file parses and every variable is set."""
    names = ", ".join(service.name for service in composition.services)
    read = Check("compose-file", Mark.PASS, f"services {names}")
    if composition.not_read:
        says = f"compose called by hand reads more than one file: {', '.join(composition.not_read)}"
        hint = "make them one file, as `docker compose config` prints it; a deployment would leave these out"
        read = Check("compose-file", Mark.BLOCK, says, hint, "compose-file-not-read", is_forcible=True)
    if composition.required:
        says = "not set: " + "; ".join(composition.required)
        return (read, Check("variables", Mark.BLOCK, says, "set them in .env", "variable-not-set"))
    if composition.unset:
        says = f"not set, so empty: {', '.join(composition.unset)}"
        hint = "set them in .env, or give them a default in the compose file"
        return (read, Check("variables", Mark.BLOCK, says, hint, "variable-not-set", is_forcible=True))
    return (read, Check("variables", Mark.PASS, "every variable is set"))


def check_project(composition: Composition, stack: Stack) -> Check:
    """The stack's project is the one that the files name, so its volumes are those that hold the data."""
    own = composition.own_name
    if own and own != stack.project == project_of(stack.run_dir):
        says = f"the files name the project {own}, not {stack.project}: it would begin with empty volumes"
        hint = f'set project = "{own}" for {stack.name} in the configuration'
        return Check("project", Mark.BLOCK, says, hint, "project-differs", is_forcible=True)
    return Check("project", Mark.PASS, stack.project)


def check_env_file(sha256: str, twice: Iterable[str]) -> Check:
    """There is a `.env`, and no name is set twice in it."""
    if not sha256:
        hint = "create it in the run directory; sync never copies one"
        return Check("env-file", Mark.BLOCK, "there is no .env", hint, "env-missing")
    names = ", ".join(twice)
    if names:
        return Check("env-file", Mark.WARN, f"set more than once: {names}", "the last assignment holds")
    return Check("env-file", Mark.PASS, "there, each name set once")


def check_tags(composition: Composition, stack: Stack) -> Check:
    """Key services name a version; without any named in the configuration, all services are key."""
    keys = stack.key_services or tuple(service.name for service in composition.services)
    unknown = [name for name in keys if composition.service(name) is None]
    if unknown:
        says = f"no service {', '.join(unknown)} in the compose file"
        return Check("tags", Mark.BLOCK, says, "mend key_services", "service-unknown")
    loose = [
        service.image
        for service in composition.services
        if service.name in keys and service.image and _tag(service.image) in ("", "latest")
    ]
    if loose:
        hint = "name a version: a moved :latest cannot be taken back"
        says = f"without a version: {', '.join(loose)}"
        return Check("tags", Mark.BLOCK, says, hint, "tag-latest", is_forcible=True)
    return Check("tags", Mark.PASS, "key services name a version")


def check_builds(composition: Composition) -> Check:
    """No service is built here."""
    built = [service.name for service in composition.services if service.builds]
    if built:
        hint = "build in CI and name the image: `stack workflow --image ghcr.io/OWNER/NAME` prints how"
        says = f"built on this machine: {', '.join(built)}"
        return Check("build", Mark.BLOCK, says, hint, "builds-here", is_forcible=True)
    bare = [service.name for service in composition.services if not service.image]
    if bare:
        says = f"no image: {', '.join(bare)}"
        return Check("build", Mark.BLOCK, says, "give the service an image", "no-image")
    return Check("build", Mark.PASS, "nothing is built here")


def check_networks(composition: Composition, existing: Iterable[str], edge: str) -> Check:
    """The edge network and every external one exist."""
    wanted = {network.name for network in composition.networks if network.is_external}
    missing = sorted((wanted | ({edge} if edge else set())) - set(existing))
    if missing:
        hint = f"create it: `network create {missing[0]}`"
        return Check("networks", Mark.BLOCK, f"missing: {', '.join(missing)}", hint, "network-missing")
    return Check("networks", Mark.PASS, "external networks exist")


def check_backup(composition: Composition, stack: Stack) -> Check:
    """What a backup holds of the data: dumps of databases, and no volume."""
    covered = {database.service for database in stack.databases}
    left = {
        f"{service.name} {source}"
        for service in composition.services
        if service.name not in covered
        for source, colon, _ in (volume.partition(":") for volume in service.volumes)
        if colon and not source.startswith((".", "/"))
    }
    rest = f"; no volumes: {_list(sorted(left))}" if left else ""
    if stack.databases:
        return Check("backup", Mark.PASS, f"dumps {_list(one.name for one in stack.databases)}{rest}")
    if left:
        says = f"a backup holds files and no data{rest}"
        return Check("backup", Mark.WARN, says, "name the stack's databases in the configuration, if any")
    return Check("backup", Mark.PASS, "no volumes that it would not hold")


def check_room(rooms: Iterable[tuple[str, float]], min_free_percent: float) -> Check:
    """Enough of each file system is free."""
    tight = [f"{path} {free:.0f} %" for path, free in rooms if free < min_free_percent]
    if tight:
        hint = f"free some room; {min_free_percent:.0f} % has to be free"
        return Check("disk", Mark.BLOCK, f"free at {', '.join(tight)}", hint, "disk-full")
    return Check("disk", Mark.PASS, f"more than {min_free_percent:.0f} % free")


def check_images(missing: Mapping[str, str], local_only: Iterable[str]) -> Check:
    """Every image that has to be pulled is served; `missing` maps an image to why it is not."""
    if missing:
        says = "; ".join(f"{ref}: {why}" for ref, why in sorted(missing.items()))
        return Check("images", Mark.BLOCK, says, _pull_hint(missing), "image-not-served", is_forcible=True)
    kept = ", ".join(local_only)
    if kept:
        hint = "no registry can serve it again: `stack workflow --image REF` prints how to publish it"
        return Check("images", Mark.WARN, f"only on this machine: {kept}", hint)
    return Check("images", Mark.PASS, "all images can be had")


def check_moved(proven: Iterable[str], moved: Iterable[str]) -> Check:
    """Each proven image is still what its tag stands for in the registry."""
    names = ", ".join(moved)
    if names:
        says = f"not the image that was verified any more: {names}"
        hint = "deploy it to staging again, or use --force, which is put on record"
        return Check("moved", Mark.BLOCK, says, hint, "tag-moved", is_forcible=True)
    return Check("moved", Mark.PASS, f"still what was verified: {', '.join(proven)}")


def check_shape(composition: Composition, running: Iterable[Mounted]) -> tuple[Check, ...]:
    """Ports and volumes are those of the running containers; a volume that goes away takes data along."""
    ports: list[str] = []
    volumes: list[str] = []
    unnamed: list[str] = []
    for item in running:
        service = composition.service(item.service)
        if service is None:
            volumes.append(f"{item.service} is gone")
            continue
        if set(item.ports) != {_published(port) for port in service.ports if ":" in port}:
            ports.append(f"{item.service}: {_list(item.ports)} to {_list(service.ports)}")
        lost = _lost_volumes(composition.project, item, service)
        if lost:
            volumes.append(f"{item.service}: no longer mounts {_list(lost)}")
        if item.left_behind:
            unnamed.append(f"{item.service}: {_list(item.left_behind)}")
    hint = "compare the compose file with the running containers"
    first = (
        Check("ports", Mark.WARN, "; ".join(ports), hint) if ports else Check("ports", Mark.PASS, "unchanged")
    )
    return (first, _volumes(volumes, unnamed, hint))


def _volumes(changed: list[str], unnamed: list[str], hint: str) -> Check:
    if changed:
        return Check("volumes", Mark.BLOCK, "; ".join(changed), hint, "volumes-changed", is_forcible=True)
    if unnamed:
        says = f"a new container starts without what is in volumes without a name: {'; '.join(unnamed)}"
        hint = "name a volume for it, copied with `podman volume export OLD | podman volume import NEW -`"
        return Check("volumes", Mark.BLOCK, says, hint, "volume-unnamed", is_forcible=True)
    return Check("volumes", Mark.PASS, "unchanged")


def _lost_volumes(project: str, item: Mounted, service: ComposeService) -> list[str]:
    """Return volumes that are mounted now and would not be; with or without the project's prefix.

    podman-compose names one that the file only gives a place for after project, service and place.
    """
    wanted = set()
    for volume in service.volumes:
        source = volume.split(":")[0]
        place = hashlib.sha256(source.encode()).hexdigest()
        wanted |= {source, f"{project}_{source}", f"{project}_{item.service}_{place}"}
    return [volume for volume in item.volumes if volume not in wanted]


def _published(port: str) -> str:
    """Return `host:container` of a port in any of its forms; protocol and address do not matter here."""
    parts = port.partition("/")[0].split(":")
    return ":".join(parts[-2:])


def _list(words: Iterable[str]) -> str:
    return ", ".join(words) or "none"


def _tag(image: str) -> str:
    if "@" in image:
        return "digest"
    return image.rpartition("/")[2].partition(":")[2]


def _pull_hint(missing: Mapping[str, str]) -> str:
    if any(ref.startswith("localhost/") or "/" not in ref for ref in missing):
        return "no registry has it: `stack workflow --image ghcr.io/OWNER/NAME` prints how to publish it"
    return "was it pushed? is the login right?"
