"""Hosts for tests of the whole engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simulated_host import Host


@pytest.fixture
def new_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(config: str = "", **settings: str) -> Host:
        made.append(Host(tmp_path, settings, config))
        return made[-1]

    yield make
    for host in made:
        host.close()


@pytest.fixture
def host(new_host: Callable[..., Host]) -> Host:
    return new_host(PODUP_SCHEDULER_MODE="services")
