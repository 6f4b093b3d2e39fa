"""Where Podman keeps what decides about registries: logins, rules, certificates.

The same files for the same user, or podup would look somewhere else than Podman pulls.
Source: containers-auth.json(5), containers-registries.conf(5), containers-registries.conf.d(5),
containers-certs.d(5).
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from podup.core.registries_conf import Registries, read_registries
from podup.errors import Invalid, PodupError
from podup.records import dataclass
from podup.settings.environment import Environment

_SYSTEM = Path("/etc/containers")
_DOCKER = Path("/etc/docker")


@dataclass(frozen=True, slots=True)
class PodmanFiles:
    """Paths in the order in which they are looked at; none has to exist."""

    logins: tuple[Path, ...]
    rules: tuple[Path, ...]
    rule_directories: tuple[Path, ...]
    certificates: tuple[Path, ...]


def podman_files(environment: Environment, *, system: Path = _SYSTEM) -> PodmanFiles:
    """Return the files Podman uses in this environment; `system` is where the machine's own are.

    REGISTRY_AUTH_FILE and CONTAINERS_REGISTRIES_CONF stand for all other places of their kind, and
    DOCKER_CONFIG is the directory of Docker's file.
    """
    own = environment.config_home / "containers"
    auth_file, rules = environment.get("REGISTRY_AUTH_FILE"), environment.get("CONTAINERS_REGISTRIES_CONF")
    docker = environment.get("DOCKER_CONFIG")
    logins = (
        environment.runtime_dir / "containers/auth.json",
        Path(f"/run/containers/{environment.uid}/auth.json"),
        own / "auth.json",
        (Path(docker) if docker else environment.home / ".docker") / "config.json",
    )
    return PodmanFiles(
        (Path(auth_file),) if auth_file else logins,
        (Path(rules),) if rules else (own / "registries.conf", system / "registries.conf"),
        () if rules else (system / "registries.conf.d", own / "registries.conf.d"),
        (own / "certs.d", system / "certs.d", _DOCKER / "certs.d"),
    )


def load_registries(files: PodmanFiles, *, insecure_hosts: Collection[str] = ()) -> Registries:
    """Read the first file of rules that is there, and all drop-ins; raises Invalid('bad-registries-conf')."""
    base = next((path for path in files.rules if path.is_file()), None)
    found = [*([base] if base is not None else []), *_drop_ins(files)]
    try:
        return read_registries([path.read_text("utf-8") for path in found], insecure_hosts=insecure_hosts)
    except Invalid as error:
        raise Invalid(error.code, f"{error.message} ({', '.join(map(str, found))})", error.hint) from None
    except (OSError, ValueError) as error:
        raise PodupError("registries-conf-unreadable", f"registries.conf cannot be read: {error}") from None


def _drop_ins(files: PodmanFiles) -> Iterator[Path]:
    for directory in files.rule_directories:
        if directory.is_dir():
            yield from sorted(path for path in directory.iterdir() if path.suffix == ".conf")
