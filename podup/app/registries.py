"""The client for registries, with the logins, mirrors and proxies podman on this machine uses too.

Source: containers-auth.json(5), containers-registries.conf(5), containers-registries.conf.d(5).
"""

from collections.abc import Callable
from pathlib import Path

from podup.clock import Clock
from podup.core.images import parse_ref
from podup.core.platforms import Platform
from podup.core.registries_conf import Registries, read_registries
from podup.host.run import Runner
from podup.net.http import Http
from podup.net.registry import Registry
from podup.net.registry_login import Logins
from podup.recipes.facts import RemoteImage
from podup.settings.environment import Environment

_HELPER_TIMEOUT_S = 15.0
_SYSTEM = Path("/etc/containers")
_PROXIES = ("http", "https", "all", "no")


def registry_client(runner: Runner, environment: Environment, clock: Clock) -> Registry:
    """Return the client. Raises Invalid for a registries.conf that cannot be read."""
    logins = Logins(_login_files(environment), lambda program, registry: _ask(runner, program, registry))
    http = Http(clock, proxies=proxies_of(environment))
    return Registry(http, clock, logins=logins, registries=_registries(environment))


def resolver(registry: Registry, platform: Platform) -> Callable[[str], RemoteImage]:
    """Return the function that asks what a reference stands for on this platform."""
    return lambda text: registry.resolve(parse_ref(text), platform)


def proxies_of(environment: Environment) -> dict[str, str]:
    """Return the proxies of the environment (`https_proxy` ...), small letters before capitals."""
    names = {name: f"{name}_proxy" for name in _PROXIES}
    found = {name: environment.get(low) or environment.get(low.upper()) for name, low in names.items()}
    return {name: value for name, value in found.items() if value}


def _login_files(environment: Environment) -> tuple[Path, ...]:
    named = environment.get("REGISTRY_AUTH_FILE")
    if named:
        return (Path(named),)
    docker = environment.get("DOCKER_CONFIG")
    return (
        environment.runtime_dir / "containers/auth.json",
        environment.config_home / "containers/auth.json",
        (Path(docker) if docker else environment.home / ".docker") / "config.json",
    )


def _registries(environment: Environment) -> Registries:
    named = environment.get("CONTAINERS_REGISTRIES_CONF")
    own = environment.config_home / "containers"
    candidates = [Path(named)] if named else [own / "registries.conf", _SYSTEM / "registries.conf"]
    main = next((path for path in candidates if path.is_file()), None)
    parts = [] if named else [*_drop_ins(_SYSTEM), *_drop_ins(own)]
    files = [*([main] if main is not None else []), *parts]
    return read_registries([path.read_text(encoding="utf-8", errors="replace") for path in files])


def _drop_ins(directory: Path) -> list[Path]:
    return sorted((directory / "registries.conf.d").glob("*.conf"))


def _ask(runner: Runner, program: str, registry: str) -> bytes:
    """Ask a credential helper; what it prints is a secret and is not recorded."""
    argv = (f"docker-credential-{program}", "get")
    done = runner.run(argv, mutates=False, timeout_s=_HELPER_TIMEOUT_S, stdin=registry.encode())
    return done.stdout.encode() if done.ok else b""
