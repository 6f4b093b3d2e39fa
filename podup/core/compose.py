"""What is needed of a compose file: services with image, build, ports, volumes, networks and health check.

Read from an engine's own `config` output (a tree with everything filled in), or, when the engine has none,
from the file itself with the YAML subset and the variables of `.env`. Refused, because the result would be
guessed: `include`, `extends` and a file without services. An engine leaves services out whose profile is not
active; of a file they are left out here, by `COMPOSE_PROFILES` in `.env`.
Source: the Compose specification.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from podup.core import interpolation, yaml_subset
from podup.errors import Invalid
from podup.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service. `fingerprint` changes when anything in its definition does.

    `volumes` are SOURCE:TARGET, a volume's SOURCE as the file or its `name:` has it. `ends`: others wait for
    it to end well, so it does not run on. `env_files` have to be there, or it cannot be started.
    """

    name: str
    image: str = ""
    builds: bool = False
    container_name: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    restart: str = ""
    has_healthcheck: bool = False
    env_files: tuple[str, ...] = ()
    replicas: int = 1
    ends: bool = False
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ComposeNetwork:
    """A network by the name the engine knows it under; `is_external`: it has to exist already."""

    name: str
    is_external: bool = False


@dataclass(frozen=True, slots=True)
class Composition:
    """A compose file with its variables filled in; `unset` and `required` name those that were not there.

    `own_name` is the project the files themselves name, if any; `not_read` are files that compose called by
    hand would read too.
    """

    project: str
    services: tuple[ComposeService, ...] = ()
    networks: tuple[ComposeNetwork, ...] = ()
    unset: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    own_name: str = ""
    not_read: tuple[str, ...] = ()

    def service(self, name: str) -> ComposeService | None:
        return next((service for service in self.services if service.name == name), None)


def read_file(text: str, values: Mapping[str, str], project: str) -> Composition:
    """Return the composition of a compose file. Raises Invalid for what is not understood."""
    missing = interpolation.Missing()
    tree = interpolation.fill(yaml_subset.read(text), values, missing)
    found = read_config(tree, project, profiles=_words(values.get("COMPOSE_PROFILES", "")))
    return replace(
        found,
        unset=tuple(sorted(missing.unset)),
        required=tuple(f"{name} ({says})" for name, says in sorted(missing.required.items())),
        own_name=values.get("COMPOSE_PROJECT_NAME") or str(tree.get("name") or ""),
    )


def read_config(tree: Any, project: str, *, profiles: frozenset[str] = frozenset("*")) -> Composition:
    """Return the composition of a filled-in tree. Raises Invalid when it is no compose file.

    `profiles` are those that are active, `*` for all there are.
    """
    if not isinstance(tree, Mapping) or not isinstance(tree.get("services"), Mapping) or not tree["services"]:
        raise Invalid("compose-no-services", "the compose file defines no services")
    if tree.get("include"):
        raise Invalid(
            "compose-include", "`include` is not read", "write the file out, or install docker compose v2"
        )
    entries = {
        str(name): entry for name, entry in tree["services"].items() if _is_active(str(name), entry, profiles)
    }
    volumes = _volume_names(tree.get("volumes"))
    awaited = {name for entry in entries.values() for name in _awaited(entry)}
    services = tuple(_service(name, entry, volumes, name in awaited) for name, entry in entries.items())
    return Composition(project, services, _networks(tree.get("networks"), project))


def _is_active(name: str, entry: Any, profiles: frozenset[str]) -> bool:
    if not isinstance(entry, Mapping):
        raise Invalid("compose-service", f"service {name} is not a mapping")
    wanted = set(_names(entry.get("profiles")))
    return not wanted or "*" in profiles or bool(wanted & profiles)


def _awaited(entry: Mapping[str, Any]) -> list[str]:
    """Return the services that have to end well before this one is started."""
    depends = entry.get("depends_on")
    pairs = depends.items() if isinstance(depends, Mapping) else ()
    return [
        str(name)
        for name, how in pairs
        if isinstance(how, Mapping) and how.get("condition") == "service_completed_successfully"
    ]


def _service(name: str, entry: Mapping[str, Any], volumes: Mapping[str, str], ends: bool) -> ComposeService:
    if entry.get("extends"):
        raise Invalid(
            "compose-extends", f"service {name} uses `extends`", "write it out, or install docker compose v2"
        )
    return ComposeService(
        name=name,
        image=str(entry.get("image") or ""),
        builds=bool(entry.get("build")),
        container_name=str(entry.get("container_name") or ""),
        ports=tuple(sorted(_port(item) for item in _listed(entry.get("ports")))),
        volumes=tuple(sorted(_volume(item, volumes) for item in _listed(entry.get("volumes")))),
        networks=tuple(sorted(str(item) for item in _names(entry.get("networks")))),
        restart=_restart(entry),
        has_healthcheck=_has_healthcheck(entry.get("healthcheck")),
        env_files=tuple(_env_files(entry)),
        replicas=_replicas(name, entry),
        ends=ends,
        fingerprint=_fingerprint(entry),
    )


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _names(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, Mapping) else _listed(value))]


def _port(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    host = f"{item['host_ip']}:" if item.get("host_ip") else ""
    published = f"{item['published']}:" if item.get("published") else ""
    protocol = str(item.get("protocol") or "tcp")
    return f"{host}{published}{item.get('target')}" + ("" if protocol == "tcp" else f"/{protocol}")


def _volume(item: Any, names: Mapping[str, str]) -> str:
    if not isinstance(item, Mapping):
        source, colon, rest = str(item).partition(":")
        return f"{names.get(source, source)}{colon}{rest}"
    source = str(item.get("source") or "")
    prefix = f"{names.get(source, source)}:" if source else ""
    return f"{prefix}{item.get('target')}" + (":ro" if item.get("read_only") else "")


def _volume_names(value: Any) -> dict[str, str]:
    """Return key -> name of the volumes that have a name of their own."""
    pairs = value.items() if isinstance(value, Mapping) else ()
    return {str(key): name for key, entry in pairs if (name := _own_name(entry))}


def _own_name(entry: Any) -> str:
    """Return the name a network or volume is given in the file, also in the older form below `external`."""
    entry = entry if isinstance(entry, Mapping) else {}
    external = entry.get("external")
    named = external.get("name") if isinstance(external, Mapping) else None
    return str(named or entry.get("name") or "")


def _env_files(entry: Mapping[str, Any]) -> list[str]:
    """Return the files of variables that have to be there."""
    found = []
    for item in _listed(entry.get("env_file")):
        if isinstance(item, Mapping):
            found += [str(item.get("path"))] if item.get("required") not in (False, "false") else []
        else:
            found.append(str(item))
    return found


def _restart(entry: Mapping[str, Any]) -> str:
    value = entry.get("restart")
    return "" if value in (None, False, "no") else str(value)


def _has_healthcheck(value: Any) -> bool:
    if not isinstance(value, Mapping) or value.get("disable") in (True, "true"):
        return False
    test = value.get("test")
    return bool(test) and not (isinstance(test, list) and test[0] == "NONE")


def _replicas(name: str, entry: Mapping[str, Any]) -> int:
    deploy = entry.get("deploy")
    value = entry.get("scale", deploy.get("replicas", 1) if isinstance(deploy, Mapping) else 1)
    if not str(value).isdecimal():
        raise Invalid("compose-replicas", f"service {name} wants {value!r} replicas, which is no number")
    return int(value)


def _fingerprint(entry: Mapping[str, Any]) -> str:
    whole = json.dumps(entry, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _networks(value: Any, project: str) -> tuple[ComposeNetwork, ...]:
    networks = []
    for key, entry in (value or {}).items():
        external = entry.get("external") if isinstance(entry, Mapping) else None
        is_external = external not in (None, False, "false")
        name = _own_name(entry) or (str(key) if is_external else f"{project}_{key}")
        networks.append(ComposeNetwork(name, is_external))
    return tuple(networks)


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in text.replace(",", " ").split() if word)
