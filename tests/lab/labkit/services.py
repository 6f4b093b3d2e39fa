"""Services of the host: a unit as `podman generate systemd --new` writes it, or a Quadlet source file."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from host.containers import free_port

from labkit.commands import eventually, run
from labkit.images import Build, push

UNIT = """\
# {unit}
# generated as by podman generate systemd --new
[Unit]
Description=Podman container-{name}.service
Wants=network-online.target
After=network-online.target
RequiresMountsFor=%t/containers
{unit_lines}
[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n
Restart={restart}
TimeoutStopSec=70
ExecStartPre=/bin/rm -f %t/%n.ctr-id
ExecStart=/usr/bin/podman run --cidfile=%t/%n.ctr-id --rm --sdnotify=conmon --replace -d --name {name} \
--label io.containers.autoupdate=registry --env PORT={port} {options}{image}
ExecStop=/usr/bin/podman stop --ignore --cidfile=%t/%n.ctr-id
ExecStopPost=/usr/bin/podman rm -f --ignore --cidfile=%t/%n.ctr-id
Type=notify
NotifyAccess=all

[Install]
WantedBy=default.target
"""

QUADLET = """\
[Unit]
Description=The {name} container

[Container]
Image={image}
ContainerName={name}
Environment=PORT={port}
AutoUpdate=registry

[Service]
Restart={restart}

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    image: str
    port: int

    @property
    def unit(self) -> str:
        return f"{self.name}.service"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/version"


@dataclass(frozen=True, slots=True)
class Variation:
    """How a unit differs from the plain one: its Restart=, further options of `podman run`, lines for [Unit].

    `{port}` in an option is the service's port.
    """

    restart: str = "on-failure"
    options: tuple[str, ...] = ()
    unit_lines: tuple[str, ...] = ()


PLAIN = Variation()
NUMBERS = count(1)


@contextmanager
def services_made(registry: str) -> Iterator[Callable[..., Service]]:
    """Make services, each with a name, an image and a port of its own; remove them at the end."""
    made: list[Service] = []

    def make(variation: Variation = PLAIN, *, name: str = "web", at: str = registry) -> Service:
        own = f"{name}{next(NUMBERS)}"
        service = Service(own, f"{at}/acme/{own}:latest", free_port())
        made.append(service)
        write_unit(service, variation)
        return service

    yield make
    for service in made:
        remove(service)


def units_directory() -> Path:
    directory = Path.home() / ".config/systemd/user"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def write_unit(service: Service, variation: Variation = PLAIN) -> Path:
    path = units_directory() / service.unit
    options = "".join(f"{option} " for option in variation.options).replace("{port}", str(service.port))
    unit_lines = "\n".join(variation.unit_lines)
    path.write_text(
        UNIT.format(
            unit=service.unit, name=service.name, image=service.image, port=service.port,
            restart=variation.restart, options=options, unit_lines=unit_lines,
        )
    )
    systemctl("daemon-reload")
    return path


def write_quadlet(service: Service, variation: Variation = PLAIN) -> Path:
    """The source file; where Podman is older than Quadlet (4.4), also the unit a generator would make."""
    directory = Path.home() / ".config/containers/systemd"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{service.name}.container"
    path.write_text(
        QUADLET.format(
            name=service.name, image=service.image, port=service.port, restart=variation.restart
        )
    )
    if has_quadlet():
        systemctl("daemon-reload")
    else:
        write_unit(service, variation)
    return path


def has_quadlet() -> bool:
    places = ("/usr/lib/systemd/user-generators", "/usr/local/lib/systemd/user-generators")
    return any(Path(place, "podman-user-generator").exists() for place in places)


def start(service: Service, *, serves: str | None = None) -> None:
    """Start its unit; with `serves`, wait until that version answers."""
    systemctl("start", service.unit)
    if serves:
        wait_for_version(service, serves)


def launch(service: Service, version: str = "v1") -> Service:
    """Push a version and start the unit on it; return the service once it serves that."""
    push(Build(version), service.image)
    start(service, serves=version)
    return service


def remove(service: Service) -> None:
    """Stop it and take away its files, whatever state it is in."""
    systemctl("stop", service.unit, check=False)
    systemctl("reset-failed", service.unit, check=False)
    (units_directory() / service.unit).unlink(missing_ok=True)
    (Path.home() / ".config/containers/systemd" / f"{service.name}.container").unlink(missing_ok=True)
    systemctl("daemon-reload")
    run("podman", "rm", "--force", "--ignore", service.name, check=False)


def systemctl(*arguments: str, check: bool = True) -> str:
    return run("systemctl", "--user", *arguments, check=check)


def is_active(unit: str) -> bool:
    return systemctl("is-active", unit, check=False) == "active"


def journal(unit: str) -> str:
    return run("journalctl", "--user", "--no-pager", "--quiet", "--output=cat", f"--unit={unit}")


def served_version(service: Service) -> str | None:
    """What it answers at /version; None when nothing does."""
    try:
        with urllib.request.urlopen(service.url, timeout=2) as answer:
            return str(answer.read().decode().strip())
    except OSError:
        return None


def wait_for_version(service: Service, version: str, *, timeout_s: float = 20.0) -> None:
    what = f"{service.unit} serves {version}"
    eventually(what, lambda: served_version(service) == version, timeout_s=timeout_s)


def running_image_id(service: Service) -> str:
    """The id of the image its container runs, empty when it does not run."""
    return run("podman", "container", "inspect", "--format", "{{.Image}}", service.name, check=False)


def monitor_holds(container: str, place: Path) -> list[str]:
    """The open files below `place` of the conmon that watches a container, and outlives who started it."""
    pid = run("podman", "container", "inspect", "--format", "{{.State.ConmonPid}}", container)
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"conmon" in command.partition(b"\0")[0], f"{pid} is {command!r}"
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert len(links) > 3, "a conmon holds its container's pipes"
    return [link for link in links if link.startswith(str(place.resolve()))]


def image_id(reference: str) -> str:
    return run("podman", "image", "inspect", "--format", "{{.Id}}", reference, check=False)
