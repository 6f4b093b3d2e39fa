"""A duty whose thread is gone is not left unnoticed."""

from types import SimpleNamespace

import pytest
from whole import Whole

from podup.app.daemon import Daemon
from podup.app.machine import Ground
from podup.engine.rounds import Rounds
from podup.errors import EXIT_FAILED


def leave() -> float:
    raise SystemExit


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_daemon_leaves_when_one_of_its_threads_has_died_and_says_so_until_then(
    whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(whole.loaded, whole.clock, whole.database, ground=Ground(simulator=whole.machine))
    stopped: list[str] = []
    server = SimpleNamespace(stop=lambda: stopped.append("server"))
    rounds = Rounds("dispatch", leave, say=print)
    daemon._rounds = [rounds]
    assert daemon._watch(server) > 0
    assert daemon._health()["beats"]
    assert not stopped

    rounds.start()
    rounds._thread.join(10)
    assert not daemon._health()["beats"]
    daemon._watch(server)
    assert stopped == ["server"]
    assert daemon._exit_code == EXIT_FAILED
    assert "the thread of dispatch died" in capsys.readouterr().err
