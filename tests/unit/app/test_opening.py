"""Opening the database: one writer at a time, in a directory of one's own."""

from pathlib import Path

import pytest

from podup.app.opening import BriefStore, restore_database, writer
from podup.errors import Busy, NotFound, Refused
from podup.host.simulator.clock import ManualClock
from podup.settings.environment import Environment
from podup.settings.load import Loaded, load
from podup.store import services
from podup.store.services import Service


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return load(Environment({"PODUP_STATE_DIR": str(tmp_path / "state")}, tmp_path, 1000), config_text="")


def test_a_second_writer_is_told_who_has_the_state(loaded: Loaded) -> None:
    with writer(loaded, ManualClock(), what="http-server"):
        with pytest.raises(Busy) as told, writer(loaded, ManualClock(), what="another"):
            pass
        assert "(http-server)" in told.value.message
        assert "PODUP_STATE_DIR" in told.value.hint
    with writer(loaded, ManualClock(), what="another"):
        pass


def test_a_command_holds_the_lock_for_each_transaction_only(loaded: Loaded) -> None:
    store = BriefStore(loaded, ManualClock())
    with store.read() as cx:
        assert services.all_known(cx) == []
    with store.write() as cx:
        services.put(cx, Service("web.service", "web", "manual", 1.0))
    with writer(loaded, ManualClock(), what="http-server"), store.read() as cx:
        assert [one.unit for one in services.all_known(cx)] == ["web.service"]


def test_a_command_waits_for_the_lock_but_not_for_ever(loaded: Loaded) -> None:
    clock = ManualClock()
    began_s = clock.monotonic()
    with (
        writer(loaded, clock, what="http-server"),
        pytest.raises(Busy),
        BriefStore(loaded, clock).write(),
    ):
        pass
    assert 5 < clock.monotonic() - began_s < 15


def test_a_state_directory_everybody_may_write_into_is_refused(loaded: Loaded) -> None:
    directory = loaded.settings.state.directory
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(Refused), writer(loaded, ManualClock(), what="http-server"):
        pass
    assert list(directory.iterdir()) == []


def test_a_database_in_use_is_not_replaced(loaded: Loaded, tmp_path: Path) -> None:
    with writer(loaded, ManualClock(), what="http-server"), pytest.raises(Busy):
        restore_database(loaded, ManualClock(), tmp_path / "backup.db")
    with pytest.raises(NotFound):
        restore_database(loaded, ManualClock(), tmp_path / "backup.db")
