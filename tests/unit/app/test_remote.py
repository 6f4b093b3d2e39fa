"""Following a task over the control socket, also while the daemon is started again."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import QUICK, Serve, serve

from podup.app import remote
from podup.app.remote import RemoteApi
from podup.clock import SystemClock
from podup.errors import NotFound, Unavailable
from podup.host.simulator.clock import ManualClock
from podup.server.dispatch import Site
from podup.server.listeners import listen_control
from podup.server.router import Route, Who
from podup.server.server import Server
from podup.server.sse import END, Event, Hub, last_event_id

__all__ = ["serve"]


class Daemon:
    """Serves a site on the control socket until it is stopped."""

    def __init__(self, site: Site, socket: Path) -> None:
        self._server = Server(site, [listen_control(socket)], SystemClock(), limits=QUICK)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._server.server_close()


@pytest.fixture
def start(tmp_path: Path, serve: Serve) -> Iterator[Callable[[], Daemon]]:
    """Start daemons that know more lines of one task each time: the third knows its end."""
    started: list[Daemon] = []

    def logs(request):
        if request.query_one("task_id") != "tsk_1":
            raise NotFound("task-not-found", "there is no such task")
        lines = [Event(number, "log", {"id": number}) for number in range(1, len(started) + 1)]
        lines += [Event(100, END, {})] if len(started) == 3 else []
        first = last_event_id(request)
        new = [line for line in lines if line.number > first]
        return Hub().respond("t", after=first, replay=lambda _: new)

    site = serve(Route("GET", "/sse/task-logs", "Logs.", Who.ADMIN, handler=logs)).site

    def start() -> Daemon:
        started.append(Daemon(site, tmp_path / "control.sock"))
        return started[-1]

    yield start
    started[-1].stop()


def test_a_daemon_that_is_started_again_is_waited_for_and_no_line_comes_twice(
    tmp_path: Path, start: Callable[[], Daemon]
) -> None:
    following = RemoteApi(tmp_path / "control.sock", ManualClock()).follow("tsk_1")
    for number in (1, 2):
        daemon = start()
        assert next(following) == {"id": number}
        daemon.stop()
    start()
    assert list(following) == [{"id": 3}]


def test_a_daemon_that_stays_away_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_TRIES", 3)
    with pytest.raises(Unavailable, match="does not answer"):
        next(RemoteApi(tmp_path / "control.sock", ManualClock()).follow("tsk_1"))


def test_a_task_that_is_not_there_is_not_waited_for(tmp_path: Path, start: Callable[[], Daemon]) -> None:
    start()
    with pytest.raises(NotFound):
        next(RemoteApi(tmp_path / "control.sock", ManualClock()).follow("tsk_2"))
