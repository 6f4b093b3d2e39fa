"""Lab tests run inside the lab, as its user: `scripts/test lab`. Elsewhere they are skipped, in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from host.containers import free_port
from labkit import daemon as product
from labkit.commands import run
from labkit.registries import lab_registry
from labkit.services import PLAIN, Service, Variation, remove, write_unit

INSIDE = "LAB_REGISTRY" in os.environ
collect_ignore_glob = [] if INSIDE else ["test_*.py"]
numbers = count(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not INSIDE:
        terminalreporter.write_line("lab tests skipped: not inside the lab; scripts/test lab runs them there")


@pytest.fixture
def registry() -> str:
    return lab_registry()


@pytest.fixture
def new_service(registry: str) -> Iterator[Callable[..., Service]]:
    """Make a service with a name, an image name and a port of its own; stopped and removed at the end."""
    made: list[Service] = []

    def make(variation: Variation = PLAIN, *, name: str = "web", at: str = registry) -> Service:
        own = f"{name}{next(numbers)}"
        service = Service(own, f"{at}/acme/{own}:latest", free_port())
        made.append(service)
        write_unit(service, variation)
        return service

    yield make
    for service in made:
        remove(service)


@pytest.fixture
def daemon(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[product.Daemon]:
    """The built program, running as a user service on an empty state directory."""
    if not product.is_built():
        pytest.fail("dist/pod-upgrade-trigger.pyz is missing: python3 build_zipapp.py makes it")
    if "http-server" not in run(str(product.BUILT), "--help"):
        pytest.skip("the program has no http-server yet")
    running = product.Daemon(tmp_path / "state", getattr(request, "param", {}))
    running.install()
    running.start()
    running.look_again()
    yield running
    running.stop()
