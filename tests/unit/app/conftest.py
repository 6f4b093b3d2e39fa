"""Tests of the whole program in this process, on a simulated machine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from whole import Whole


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    program = Whole(tmp_path)
    yield program
    program.close()


@pytest.fixture
def whole_with(tmp_path: Path) -> Iterator[Callable[..., Whole]]:
    """Start the program with settings of its own."""
    started: list[Whole] = []

    def start(**variables: str) -> Whole:
        started.append(Whole(tmp_path, **variables))
        return started[-1]

    yield start
    for program in started:
        program.close()
