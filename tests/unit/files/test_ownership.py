"""Directories that are not safe to keep secrets and programs in."""

import os
from pathlib import Path

import pytest

from podup.errors import Refused
from podup.files import require_own


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775])
def test_a_directory_of_ones_own_will_do(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    require_own(tmp_path)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_where_everybody_may_write_nothing_is_started(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(Refused) as told:
        require_own(tmp_path)
    assert told.value.code == "state-not-safe"
    assert told.value.hint == f"chmod 700 {tmp_path}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 4711, -1)
    with pytest.raises(Refused) as told:
        require_own(tmp_path)
    assert told.value.code == "state-not-ours"
    assert "4711" in told.value.message
