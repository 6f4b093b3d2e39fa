"""The daemon: one process that listens, dispatches and looks after the rest.

The loop of the server runs in the main thread. Beside it run a thread that moves tasks along, woken by
whoever submits, and one for chores at their times. SIGTERM stops accepting, answers what was accepted and
leaves; tasks go on in their own processes.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from podup.api.events import EventFeed
from podup.api.last_payload import LastPayload
from podup.api.live import TaskFeed
from podup.api.request_log import RequestLog
from podup.api.token_uses import TokenUses
from podup.app.access import admin_token
from podup.app.building import Built, build
from podup.app.duties import OUTBOX, SERVICES, HostWatch, duties_of
from podup.app.machine import REAL, Ground
from podup.app.opening import writer
from podup.app.places import control_socket
from podup.app.routes import UpdateHooks, all_routes, auth_of, site_of
from podup.app.rules import is_scheduling
from podup.app.updates import QuietStore, SelfUpdates
from podup.clock import Clock
from podup.engine.chores import Chores
from podup.engine.rounds import Rounds
from podup.engine.stack_schedule import StackSchedule
from podup.errors import EXIT_DONE, EXIT_FAILED, EXIT_UPDATE_REQUESTED, PodupError
from podup.files import make_dirs
from podup.host.supervisor import Supervisor
from podup.late import load_ours
from podup.loader import drop_sources
from podup.log import say
from podup.net.notify.log import LogChannel
from podup.server.auth import Auth
from podup.server.listeners import Listener, inherit, listen_control, listen_tcp
from podup.server.server import Server
from podup.server.sse import Hub
from podup.settings.load import Loaded
from podup.store import services
from podup.store.db import Database
from podup.update import boot
from podup.update.checkout import places_of
from podup.version import COMMIT, VERSION

_WATCHED_EVERY_S = 0.2
_FOR_EVER_S = 86400.0
_LOOK_AT_ROUNDS_EVERY_S = 10.0
_STOP_WITHIN_S = 10.0
_GIVE_WAY_S = 0.001


def serve(loaded: Loaded, clock: Clock, *, address: str = "", ground: Ground = REAL) -> int:
    """Run until SIGTERM or SIGINT; return the exit code. Raises Busy when the state is in use."""
    with writer(loaded, clock, what="http-server") as database:
        daemon = Daemon(loaded, clock, database, ground=ground)
        return daemon.run(address or str(loaded.settings.http.address))


class Daemon:
    """All parts of a running daemon; `run` is its life."""

    def __init__(
        self, loaded: Loaded, clock: Clock, database: Database, *, ground: Ground = REAL
    ) -> None:
        self._loaded = loaded
        self._clock = clock
        self._dispatching = Rounds("dispatch", self._unless_updating(self._dispatch), say=say)
        self._maintenance = boot.Maintenance(places_of(loaded).journal)
        store = QuietStore(database, self._maintenance)
        wake, channels = self._dispatching.wake, (LogChannel(say),)
        self._built: Built = build(loaded, store, clock, wake=wake, channels=channels, ground=ground)
        engine = self._built.engine
        self._updates = SelfUpdates(
            loaded, engine, self._built.outbox, maintenance=self._maintenance, say=say, leave=self._leave
        )
        self._host = HostWatch()
        duties = duties_of(loaded, self._built, clock, self._host)
        self._chores = Chores(duties, store, clock, say=say)
        self._doing_chores = Rounds("chores", self._unless_updating(self._chores.turn), say=say)
        self._exit_code = EXIT_DONE
        self._strangers = 0
        self._server: Server | None = None
        self._rounds: list[Rounds] = []
        self._stack_schedule = StackSchedule(
            self._built.stacks, store=store, intake=engine.intake, clock=clock
        )
        self._hub = Hub()
        self._feed = TaskFeed(engine, self._hub)
        self._event_feed = EventFeed(engine, self._hub)
        self._logging = Rounds("event-log", self._store_events, say=say)
        payload = engine.state_dir / "last_payload.bin"
        self._payload = LastPayload(payload, clock, wake=self._logging.wake)
        self._token_uses = TokenUses(store, clock, wake=self._logging.wake)
        self._token = admin_token(loaded)
        self._supervisor = Supervisor(loaded.environment.variables, pid=os.getpid())

    def run(self, address: str) -> int:
        """Listen and serve until a signal; return the exit code."""
        engine = self._built.engine
        auth = auth_of(
            self._loaded, engine, self._clock, admin_token=self._token, on_use=self._token_uses.note
        )
        hooks = UpdateHooks(self._updates.keep, lambda: self._updates.parts, self._health)
        host, keep = (lambda: self._host.latest), self._payload.keep
        rows = all_routes(self._built, self._loaded, self._hub, hooks, keep_payload=keep, host=host)
        requests = RequestLog(engine.log, self._clock)
        engine.log.use(self._logging.wake)
        listeners = self._listeners(address)
        checks = (self._updates.check,)
        site = site_of(rows, engine, self._loaded, auth, checks=checks, on_done=requests.heard)
        server = self._server = Server(site, listeners, self._clock)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        watchdog = Rounds("watchdog", lambda: self._watch(server), say=say)
        updating = Rounds("self-update", self._updates.turn, say=say)
        backups = Rounds("stack-backups", self._unless_updating(self._back_stacks_up), say=say)
        self._rounds = [self._dispatching, self._doing_chores, backups, watchdog, updating, self._logging]
        if is_scheduling(self._loaded):
            ticking = self._unless_updating(self._built.scheduler.turn)
            self._rounds.append(Rounds("scheduler", ticking, say=say))
        self._rounds.append(Rounds("first-look", lambda: self._get_ready(listeners[0].address), say=say))
        sys.setswitchinterval(_GIVE_WAY_S)  # a webhook does not wait five milliseconds for a chore

        def begin() -> None:
            self._greet(listeners[0].address, auth)
            self._write_listening(listeners[0])
            for rounds in self._rounds:
                rounds.start()

        server.loop.call(begin)  # after the requests that came first
        try:
            server.serve_forever()
        finally:
            self._supervisor.tell("STOPPING=1")
            server.server_close()
            self._end_rounds()
            engine.log.close()
        self._updates.alarm.end_well()
        return self._exit_code

    def _end_rounds(self) -> None:
        """Let all end at the same time: systemd does not wait for one after the other."""
        deadline = self._clock.monotonic() + _STOP_WITHIN_S
        for rounds in self._rounds:
            rounds.ask_to_stop()
        for rounds in self._rounds:
            rounds.stop(within_s=max(0.0, deadline - self._clock.monotonic()))

    def _get_ready(self, address: str) -> float:
        """Know the services, then tell systemd that webhooks may come: a unit nobody knows is refused."""
        self._know_services()
        self._supervisor.tell("READY=1", f"STATUS=listening on {address}")
        load_ours()
        drop_sources()
        return _FOR_EVER_S

    def _know_services(self) -> None:
        """Look for services at the first start; later ones know them from the database.

        What stands in the way is told by the chore that looks again at once.
        """
        if self._maintenance.is_on():
            return
        with self._built.engine.store.read() as cx:
            is_first_start = not services.all_known(cx)
        if is_first_start:
            with suppress(PodupError):
                self._built.engine.catalogue.find()

    def _leave(self) -> None:
        """End with the code that asks for a start of what stands at the target now."""
        self._exit_code = EXIT_UPDATE_REQUESTED
        if self._server is not None:
            self._server.stop()

    def _write_listening(self, listener: Listener) -> None:
        """Say where this daemon answers: an update judges the next one there."""
        name = listener.sock.getsockname()
        told, port = (str(name[0]), int(name[1])) if isinstance(name, tuple) else ("", 0)
        host = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(told, told)
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        listening = boot.Listening(url if port else "", str(control_socket(self._loaded)))
        boot.write_listening(self._updates.places, listening)

    def _greet(self, address: str, auth: Auth) -> None:
        say(f"pod-upgrade-trigger {VERSION} (commit {COMMIT}) listens on {address}")
        state_dir = self._built.engine.state_dir
        say(f"state in {state_dir}")
        for warning in self._loaded.warnings:
            say(f"warning: {warning}")
        if self._token is not None:
            here = address.replace("0.0.0.0", "localhost").replace("[::]", "localhost")
            base = self._loaded.settings.http.public_url.rstrip("/") or f"http://{here}"
            say(f"admin token in {state_dir / 'admin-token'}; log in once within 15 minutes:")
            say(f"  {base}/401?code={auth.sessions.new_code()}")

    def _listeners(self, address: str) -> list[Listener]:
        socket = control_socket(self._loaded)
        make_dirs(socket.parent)
        inherited = inherit(self._supervisor.listening_sockets)
        return [*(inherited or [listen_tcp(address)]), listen_control(socket)]

    def _dispatch(self) -> float:
        ended = self._built.dispatcher.ended_count
        wait_s = self._built.dispatcher.turn()
        if self._built.outbox.has_news:
            self._hurry(OUTBOX)
        strangers = self._built.engine.inbox.stranger_count
        if self._built.dispatcher.ended_count != ended or strangers != self._strangers:
            self._strangers = strangers
            self._hurry(SERVICES)
        return min(wait_s, _WATCHED_EVERY_S) if self._feed.turn() else wait_s

    def _unless_updating(self, work: Callable[[], float]) -> Callable[[], float]:
        """Return `work`, put off while an update of this program is under way."""
        return lambda: 1.0 if self._maintenance.is_on() else work()

    def _hurry(self, duty: str) -> None:
        self._chores.hurry(duty)
        self._doing_chores.wake()

    def _store_events(self) -> float:
        log = self._built.engine.log
        wait_s = log.turn()  # first: it keeps the trouble it meets, for health to tell; the others raise it
        self._event_feed.turn()
        wait_s = min(wait_s, self._payload.turn())
        if not self._maintenance.is_on():
            log.take_in()
            self._token_uses.turn()
        return wait_s

    def _back_stacks_up(self) -> float:
        wait_s = self._stack_schedule.turn()
        self._dispatching.wake()
        return wait_s

    def _watch(self, server: Server) -> float:
        """Tell systemd that the loop turns, from inside the loop; leave when one of the threads has died."""
        dead = [rounds.name for rounds in self._rounds if rounds.has_died]
        if dead:
            say(f"the thread of {dead[0]} died; leaving, to be started again")
            self._exit_code = EXIT_FAILED
            server.stop()
        if not self._supervisor.watchdog_s:
            return _LOOK_AT_ROUNDS_EVERY_S
        server.loop.call(lambda: self._supervisor.tell("WATCHDOG=1"))
        return self._supervisor.watchdog_s / 3

    def _health(self) -> dict[str, Any]:
        """Return what /health says of updates; `beats` is about all that is done beside the server."""
        told = self._updates.health()
        return told | {"beats": told["beats"] and not any(rounds.has_died for rounds in self._rounds)}
