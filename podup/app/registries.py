"""The client for registries, with the logins, mirrors, certificates and proxies podman here uses too."""

from podup.clock import Clock
from podup.host.run import Command, Runner
from podup.net.http import Http
from podup.net.podman_files import load_registries, podman_files
from podup.net.registry import Registry
from podup.net.registry_login import Logins
from podup.net.trust import Trust
from podup.settings.environment import Environment

_HELPER_TIMEOUT_S = 15.0


def registry_client(runner: Runner, environment: Environment, clock: Clock) -> Registry:
    """Return the client. Raises Invalid for a registries.conf that cannot be read."""
    files = podman_files(environment)
    logins = Logins(files.logins, lambda program, registry: _ask(runner, program, registry))
    http = Http(clock, proxies=environment.proxies, trust=Trust(files.certificates))
    return Registry(http, clock, logins=logins, registries=load_registries(files))


def _ask(runner: Runner, program: str, registry: str) -> bytes:
    """Ask a credential helper; what it prints is a secret and is not recorded."""
    argv = (f"docker-credential-{program}", "get")
    done = runner.run(Command(argv, mutates=False, timeout_s=_HELPER_TIMEOUT_S, stdin=registry.encode()))
    return done.stdout.encode() if done.ok else b""
