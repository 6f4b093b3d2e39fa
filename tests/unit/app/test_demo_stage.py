"""What `demo` is careful about before it starts anything; the whole story is told in the contract tests."""

from pathlib import Path

import pytest

from podup.app import demo
from podup.errors import Invalid
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.simulator import Simulator
from podup.settings.environment import Environment
from podup.settings.load import load


def never(_stage: demo.Stage) -> None:
    raise AssertionError("the story is not to be told")


@pytest.mark.parametrize("address", ["0.0.0.0:25111", "192.0.2.1:80", "localhost.evil.example:80", "[::]:80"])
def test_it_listens_nowhere_but_on_loopback(tmp_path: Path, address: str) -> None:
    environment = Environment({"PATH": "", "TMPDIR": str(tmp_path)}, tmp_path, 1000)
    with pytest.raises(Invalid) as told:
        demo.run(environment, ManualClock(), address=address, story=never)
    assert told.value.code == "not-loopback"
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_this_machines_installation_is_taken_over(tmp_path: Path) -> None:
    mine = {"PATH": "/bin", "PODUP_TOKEN": "mine", "PODUP_STATE_DIR": "/srv/mine", "HOME": "/home/me"}
    made = demo._environment(Environment(mine, Path("/home/me"), 1000), tmp_path)
    loaded = load(made, config_text="", shared_state=tmp_path / "srv")
    assert loaded.settings.state.directory == tmp_path / "state"
    assert not loaded.settings.access.token
    assert loaded.settings.access.is_dev_open
    other = demo._environment(Environment(mine, Path("/home/me"), 1000), tmp_path)
    assert other.get("PODUP_GH_WEBHOOK_SECRET") != made.get("PODUP_GH_WEBHOOK_SECRET")


def test_a_shell_is_told_how_to_reach_it(tmp_path: Path) -> None:
    environment = demo._environment(Environment({"PATH": "/bin"}, tmp_path, 1000), tmp_path)
    loaded = load(environment, config_text="", shared_state=tmp_path / "srv")
    stage = demo.Stage(loaded, Simulator(ManualClock()), ManualClock())
    assert stage.shell == f"PODUP_STATE_DIR={tmp_path}/state XDG_RUNTIME_DIR={tmp_path}"
