"""`podman` on the simulated machine: what `podup.host.podman` asks of it, in the shapes of Podman 4.3."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from podup.core.unit_files import UNIT_LABEL
from podup.host.podman_answers import repository_of
from podup.host.simulator import images
from podup.host.simulator.parts import Machine, SimulatedContainer, StoredImage, age, health
from podup.host.simulator.physics import auto_update, behaviour_of
from podup.host.simulator.programs import Answer, Call, NotSimulated, Program, Working
from podup.records import replace

VERSION = "4.3.1"
GRAPH_ROOT = "/home/podup/.local/share/containers/storage"
_PULL_STEPS = 4
_CHANGING = {"pull", "tag", "untag", "rmi", "healthcheck"}


def _changes(words: tuple[str, ...]) -> bool:
    return words[0] in _CHANGING or (words[0] == "auto-update" and "--dry-run" not in words)


def _podman(machine: Machine, call: Call) -> Answer | Working:
    match call.words:
        case ("--version",):
            return Answer(f"podman version {VERSION}\n")
        case ("info", "--format", "json"):
            return _printed(_info())
        case ("ps", "--all", "--format", "json"):
            return _printed([_listed(each) for each in machine.containers.values()])
        case ("ps", "--all", "--filter", wanted, "--format", "json"):
            label = (UNIT_LABEL, wanted.removeprefix(f"label={UNIT_LABEL}="))
            known = machine.containers.values()
            return _printed([_listed(each) for each in known if label in each.labels])
        case ("ps", "--all", "--quiet", "--no-trunc", "--filter", wanted):
            label = wanted.removeprefix("label=").partition("=")[::2]
            known = machine.containers.values()
            return Answer("".join(f"{each.id}\n" for each in known if label in each.labels))
        case ("volume", "ls", *_):
            return Answer()
        case ("compose", *_):
            return _failed("unrecognized command `podman compose`")
        case ("container", "inspect", name):
            found = _find_container(machine, name)
            if found is None:
                return _failed(f"inspecting object: no such container {name}", stdout="[]\n")
            return _printed([_inspected(machine, found)])
        case ("image", "inspect", *refs):
            return _inspected_images(machine, refs)
        case ("images", "--no-trunc", "--format", "json"):
            rows = [_image_row(machine, image) for image in machine.images.values()]
            return _printed([row for row in rows for _ in row["Names"] or [""]])
        case ("pull", ref):
            return _pull(machine, call, ref)
        case ("tag", source, name):
            return _tag(machine, source, name)
        case ("untag", ref, name):
            is_known = images.find_local(machine, ref) is not None and images.take_name(machine, name)
            return Answer() if is_known else _failed(f"{ref}: image not known")
        case ("rmi", ref):
            return _remove(machine, ref)
        case ("logs", _, name):
            found = _find_container(machine, name)
            if found is None:
                return _failed(f'no container with name or ID "{name}" found: no such container')
            return Answer("".join(f"{line}\n" for line in found.log))
        case ("exec", name, "sh", "-c", "check"):
            return _checked(machine, name)
        case ("healthcheck", "run", name):
            return _checked(machine, name, remember=True)
        case ("auto-update", "--dry-run", "--format", "json"):
            return _printed(_outlooks(machine))
        case ("auto-update",):
            auto_update(machine, machine.at)
            return Answer()
    raise NotSimulated("podman", call.words)


PODMAN = Program(_podman, _changes)


def _pull(machine: Machine, call: Call, ref: str) -> Working:
    call.tell(f"Trying to pull {ref}...")
    try:
        manifest = images.find_remote(machine, ref)
        call.tell("Getting image source signatures")
        for step in range(_PULL_STEPS):
            call.tell(f"Copying blob {manifest.digest[:19]}{step}")
            yield machine.pull_s / _PULL_STEPS
            images.find_remote(machine, ref)
        image = images.fetch(machine, ref)
    except images.ImageTrouble as trouble:
        return _failed(f"initializing source docker://{ref}: {trouble}")
    call.tell("Writing manifest to image destination")
    return Answer(image.id.removeprefix("sha256:") + "\n")


def _tag(machine: Machine, source: str, name: str) -> Answer:
    image = images.find_local(machine, source)
    if image is None:
        return _failed(f"{source}: image not known")
    images.give_name(machine, image.id, name)
    return Answer()


def _remove(machine: Machine, ref: str) -> Answer:
    image = images.find_local(machine, ref)
    if image is None:
        return _failed(f"{ref}: image not known", exit=1)
    users = [each for each in machine.containers.values() if each.image_id == image.id]
    if users:
        return _failed(f"image used by {users[0].id}: image is in use by a container", exit=2)
    if len(image.names) > 1:
        return _failed(f'unable to delete image "{ref}" by ID with more than one tag', exit=125)
    del machine.images[image.id]
    machine.disk_free += image.size_bytes
    return Answer(f"Deleted: {image.id.removeprefix('sha256:')}\n")


def _outlooks(machine: Machine) -> list[dict[str, Any]]:
    """Return the rows of `podman auto-update --dry-run`: containers it looks after and can ask about."""
    rows = []
    for container in machine.containers.values():
        if ("io.containers.autoupdate", "registry") not in container.labels:
            continue
        try:
            remote = images.find_remote(machine, container.image_ref)
        except images.ImageTrouble:
            continue
        rows.append(
            {
                "Unit": container.unit,
                "Container": f"{container.id[:12]} ({container.name})",
                "ContainerName": container.name,
                "Image": container.image_ref,
                "Policy": "registry",
                "Updated": "false" if remote.image_id == container.image_id else "pending",
            }
        )
    return rows


def _find_container(machine: Machine, name: str) -> SimulatedContainer | None:
    for container in machine.containers.values():
        if container.name == name or (len(name) >= 12 and container.id.startswith(name)):
            return container
    return None


def _checked(machine: Machine, name: str, *, remember: bool = False) -> Answer:
    """Make the health check of a container; podman's own way of making it is remembered."""
    found = _find_container(machine, name)
    if found is None:
        return _failed(f"no container with name or ID {name} found: no such container")
    lived_s = age(found, machine.at)
    made = replace(found, checked_s=lived_s)
    if remember:
        machine.containers[made.id] = made
    seen = health(made, behaviour_of(machine, made), machine.at)
    return Answer() if seen == "healthy" else Answer("unhealthy\n", "", 1)


def _printed(value: Any) -> Answer:
    return Answer(json.dumps(value, indent=1) + "\n")


def _failed(says: str, *, exit: int = 125, stdout: str = "") -> Answer:
    return Answer(stdout, f"Error: {says}\n", exit)


def _inspected_images(machine: Machine, refs: Sequence[str]) -> Answer:
    """Print those that are there, and complain of the first that is not."""
    found = [images.find_local(machine, ref) for ref in refs]
    printed = _printed([_image(image) | {"RepoTags": _tags(image)} for image in found if image])
    if None not in found:
        return printed
    says = f"inspecting object: {refs[found.index(None)]}: image not known"
    return _failed(says, stdout=printed.stdout)


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")


def _info() -> dict[str, Any]:
    return {
        "store": {"graphRoot": GRAPH_ROOT},
        "version": {"Version": VERSION},
    }


def _listed(container: SimulatedContainer) -> dict[str, Any]:
    return {
        "Id": container.id,
        "Names": [container.name],
        "Image": container.image_ref,
        "ImageID": container.image_id.removeprefix("sha256:"),
        "State": "running",
        "Created": int(container.started_at),
        "IsInfra": False,
        "Labels": dict(container.labels),
    }


def _inspected(machine: Machine, container: SimulatedContainer) -> dict[str, Any]:
    behaviour = behaviour_of(machine, container)
    word = health(container, behaviour, machine.at)
    image = machine.images.get(container.image_id)
    every_ns = int((behaviour.check_every_s or 1.0) * 1e9)
    check = {"Test": ["CMD-SHELL", "check"], "Interval": every_ns, "Retries": 1}
    test = {"Healthcheck": check} if behaviour.healthcheck else {}
    log = [{"ExitCode": 1, "Output": "the check failed"}] if word == "unhealthy" else None
    return {
        "Id": container.id,
        "Name": container.name,
        "Image": container.image_id.removeprefix("sha256:"),
        "ImageDigest": image.digest if image else "",
        "ImageName": container.image_ref,
        "RestartCount": 0,
        "State": {
            "Status": "running",
            "Running": True,
            "ExitCode": 0,
            "StartedAt": _time(container.started_at),
            "Health": {"Status": word, "FailingStreak": 2 if log else 0, "Log": log},
        },
        "Config": {"Labels": dict(container.labels), **test},
    }


def _tags(image: StoredImage) -> list[str]:
    return [name for name in image.names if "@" not in name]


def _image(image: StoredImage) -> dict[str, Any]:
    repositories = dict.fromkeys(repository_of(name) for name in image.names)
    return {
        "Id": image.id.removeprefix("sha256:"),
        "Digest": image.digest,
        "RepoDigests": [f"{repository}@{image.digest}" for repository in repositories],
        "Created": _time(image.created_at),
        "Size": image.size_bytes,
        "Labels": dict(image.labels) or None,
        "Architecture": "amd64",
        "Os": "linux",
    }


def _image_row(machine: Machine, image: StoredImage) -> dict[str, Any]:
    return _image(image) | {
        "Names": list(image.names) or None,
        "RepoTags": None,
        "History": list(image.history),
        "Containers": sum(1 for each in machine.containers.values() if each.image_id == image.id),
        "Created": int(image.created_at),
    }
