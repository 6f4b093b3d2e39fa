"""Lab tests run inside the lab, as its user: `scripts/test lab`. Elsewhere they are skipped, in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from labkit.daemon import Daemon, daemon_running
from labkit.registries import lab_registry
from labkit.releases import MIGRATION, NEXT, Mirror, build_version, mirror
from labkit.services import Service, launch, services_made

INSIDE = "LAB_REGISTRY" in os.environ
collect_ignore_glob = [] if INSIDE else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not INSIDE:
        terminalreporter.write_line("lab tests skipped: not inside the lab; scripts/test lab runs them there")


@pytest.fixture(scope="session")
def registry() -> str:
    return lab_registry()


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as the next version, which migrates the database."""
    return build_version(NEXT, tmp_path_factory.mktemp("good"), migration=MIGRATION.format(name="lab_next"))


@pytest.fixture
def new_service(registry: str) -> Iterator[Callable[..., Service]]:
    """Make a service with a name, an image name and a port of its own; stopped and removed at the end."""
    with services_made(registry) as make:
        yield make


@pytest.fixture
def web(new_service: Callable[..., Service]) -> Service:
    """A service that serves v1."""
    return launch(new_service())


@pytest.fixture
def daemon(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """The built program, running as a user service on an empty state directory."""
    with daemon_running(tmp_path / "state", getattr(request, "param", {})) as running:
        yield running


@pytest.fixture
def releases() -> Iterator[Mirror]:
    """A server of releases with nothing on it yet."""
    with mirror() as found:
        yield found
