"""Podman's configuration for the lab's user, and the registry its images come from.

One modest configuration for every machine: no cgroup limits, no raised ulimits, the machine's network. That
works in a sandbox without CAP_SYS_RESOURCE and without cgroup2 controllers, and on an ordinary host as well.
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import time
from pathlib import Path

CONTAINERS_CONF = """\
[containers]
cgroups = "disabled"
default_ulimits = []
netns = "host"
log_driver = "journald"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
"""

REGISTRY_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {directory}/data}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: "{address}"}}
{authentication}"""

HTPASSWD = "auth: {{htpasswd: {{realm: lab, path: {path}}}}}\n"

_GIVEN: set[int] = set()  # ports


def configure_containers(home: Path) -> None:
    directory = home / ".config/containers"
    for made in (directory / "registries.conf.d", directory / "systemd", home / ".local/bin"):
        made.mkdir(parents=True, exist_ok=True)
    (directory / "containers.conf").write_text(CONTAINERS_CONF)
    (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')


def trust_plain_http(home: Path, address: str) -> None:
    """Let Podman speak plain HTTP with the registry at `address` (containers-registries.conf(5))."""
    drop_in = home / ".config/containers/registries.conf.d" / f"{address.replace(':', '-')}.conf"
    drop_in.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')


def start_registry(directory: Path, *, htpasswd: Path | None = None) -> tuple[str, subprocess.Popen[bytes]]:
    """A ready registry on a free loopback port: its address `127.0.0.1:PORT`, and its process."""
    directory.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    authentication = HTPASSWD.format(path=htpasswd) if htpasswd else ""
    config = directory / "config.yml"
    values = {"directory": directory, "address": address, "authentication": authentication}
    config.write_text(REGISTRY_CONFIG.format(**values))
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )
    wait_for_port(address)
    return address, process


def free_port() -> int:
    """A free port below those the kernel hands out, and given to nobody else: a service binds it later."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port


def wait_for_port(address: str, *, timeout_s: float = 15.0) -> None:
    """Raises TimeoutError when nothing listens there in time."""
    host, port = address.split(":")
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens on {address} after {timeout_s:.0f} s") from None
            time.sleep(0.02)
