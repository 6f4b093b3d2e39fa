"""Built programs, once for all tests; the model of a disk that loses power is shared with `files`."""

import sys
from pathlib import Path

import pytest
from programs import built_once

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(scope="session")
def built() -> Path:
    """The program as version 1.0.0."""
    return built_once("1.0.0")


@pytest.fixture(scope="session")
def newer() -> Path:
    """The program as version 1.1.0."""
    return built_once("1.1.0")
