"""A stack's compose file as it stands in the run directory, and what an engine's reading does not tell of it.

Directories that are bound into containers are told in one way by the file and by the containers: `./NAME` in
the run directory, else the whole path, links followed.
"""

import hashlib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from podup.core import compose, dotenv
from podup.core.compose import ComposeService, Composition
from podup.core.stack_map import Stack
from podup.errors import Invalid, NotFound
from podup.records import replace

_BY_DEFAULT = ("docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml")


def env_path(stack: Stack) -> Path:
    """Return where a stack's `.env` is."""
    return Path(stack.run_dir) / ".env"


def read_composition(stack: Stack, values: Mapping[str, str]) -> Composition:
    """Return what the compose file says, filled in with `values`.

    Raises PodupError for a file that is not there or not understood.
    """
    found = compose.read_file(_text(stack), values, stack.project)
    services = (_with_env_files(stack, service) for service in found.services)
    return _on_this_machine(stack, values, replace(found, services=tuple(services)))


def told_composition(
    stack: Stack, values: Mapping[str, str], tree: Any, unset: tuple[str, ...]
) -> Composition:
    """Return what an engine's reading of the file says, with what only the file itself tells."""
    found = compose.read_config(tree, stack.project)
    try:
        own = compose.read_file(_text(stack), values, stack.project)
    except Invalid:
        own = Composition(stack.project)  # the engine understands more forms of YAML
    unset = tuple(sorted({*unset, *own.unset}))
    found = replace(found, unset=unset, required=own.required, own_name=own.own_name)
    return _on_this_machine(stack, values, found)


def _on_this_machine(stack: Stack, values: Mapping[str, str], found: Composition) -> Composition:
    services = (replace(service, volumes=placed(stack, service.volumes)) for service in found.services)
    return replace(found, services=tuple(services), not_read=_not_read(stack, values))


def mounts_of(stack: Stack, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return SOURCE:TARGET of what the file lets services of any profile mount."""
    found = compose.read_file(_text(stack), {**values, "COMPOSE_PROFILES": "*"}, stack.project)
    return tuple(volume for service in found.services for volume in placed(stack, service.volumes))


def placed(stack: Stack, volumes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the volumes with bound directories told in one way, whoever told of them."""
    return tuple(sorted(map(partial(_place_of, stack.run_dir), volumes)))


def holding_data(volumes: tuple[str, ...]) -> tuple[str, ...]:
    """Return what may hold data: named volumes and bound directories; a bound file is configuration."""
    return tuple(volume for volume in volumes if not volume.startswith("/") or os.path.isdir(volume))


def filled(volumes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the volumes, SOURCE:TARGET, with something in them; what cannot be read is taken to have."""
    return tuple(volume for volume in volumes if not _is_empty(volume.partition(":")[0]))


def _is_empty(directory: str) -> bool:
    try:
        with os.scandir(directory) as found:
            return next(found, None) is None
    except OSError:
        return False


def _place_of(run_dir: str, volume: str) -> str:
    source, colon, rest = volume.partition(":")
    if not source.startswith((".", "/", "~")):
        return volume
    home = os.path.realpath(run_dir)
    path = os.path.realpath(os.path.join(home, os.path.expanduser(source)))
    inside = path.removeprefix(f"{home}/")
    return f"{path if inside == path else f'./{inside}'}{colon}{rest}"


def _text(stack: Stack) -> str:
    path = Path(stack.run_dir) / stack.compose_file
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        others = [name for name in _BY_DEFAULT if path.with_name(name).exists()]
        hint = f"`stack sync {stack.name}` copies it from the source directory"
        if others:
            hint = f'set compose_file = "{others[0]}" for {stack.name} in the configuration'
        raise NotFound("compose-file-missing", f"there is no {path}", hint) from None
    except UnicodeDecodeError:
        raise Invalid("compose-file-not-text", f"{path} is not UTF-8 text") from None


def _with_env_files(stack: Stack, service: ComposeService) -> ComposeService:
    """Return the service with its files of variables in its fingerprint, as engines with `config` have them.

    Of `.env` itself the version is left out: only what follows it is replaced for a new one.
    Raises NotFound for one that is not there: the container could be removed, and not be started again.
    """
    if not service.env_files:
        return service
    told = hashlib.sha256(service.fingerprint.encode())
    for name in service.env_files:
        path = Path(stack.run_dir) / name
        if not path.is_file():
            says = f"service {service.name} reads its variables from {path}, which is not there"
            raise NotFound("env-file-missing", says, "put it there, or take env_file out of the compose file")
        data = path.read_bytes()
        told.update(dotenv.replace(data, stack.tag_variable, "") if path == env_path(stack) else data)
    return replace(service, fingerprint=told.hexdigest()[:16])


def _not_read(stack: Stack, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that compose reads beside the stack's when it is called by hand in its directory."""
    named = values.get("COMPOSE_FILE", "")
    if named:
        names = [name for name in named.split(values.get("COMPOSE_PATH_SEPARATOR") or os.pathsep) if name]
    elif stack.compose_file in _BY_DEFAULT:
        stems = (Path(stack.compose_file).stem, "compose", "docker-compose")
        names = [f"{stem}.override.{ending}" for stem in dict.fromkeys(stems) for ending in ("yml", "yaml")]
    else:
        names = []
    own = Path(stack.run_dir, stack.compose_file)
    paths = [Path(stack.run_dir, name) for name in names]
    return tuple(path.name for path in paths if path.exists() and not (own.exists() and path.samefile(own)))
