"""Built programs, once for all tests; the model of a disk that loses power is shared with `files`."""

import sys
from pathlib import Path

import pytest
from programs import build

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as version 1.0.0."""
    return build("1.0.0", tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as version 1.1.0."""
    return build("1.1.0", tmp_path_factory.mktemp("newer"))
