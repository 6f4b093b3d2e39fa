"""The whole program in this process, on a simulated machine: its real routes, database and engine, no socket.

A test takes it with `Whole(tmp_path)`, then asks like a client would: `whole.ask("GET", "/api/events")`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podup.api.request_log import RequestLog
from podup.api.token_uses import TokenUses
from podup.app.building import build
from podup.app.machine import Ground
from podup.app.routes import UpdateHooks, all_routes, auth_of, site_of
from podup.app.updates import SelfUpdates
from podup.core.http1 import Head
from podup.core.secrets import Secret
from podup.core.signatures import sign
from podup.engine.outbox import Outbox
from podup.errors import PodupError
from podup.files import FileLock, durable_write, make_dirs
from podup.host.simulator.clock import ManualClock
from podup.host.simulator.scenes import set_up_demo
from podup.host.simulator.simulator import Simulator
from podup.server.request import Peer
from podup.server.sse import Hub
from podup.settings.environment import Environment
from podup.settings.load import load
from podup.store.migrations import open_current
from podup.update import assemble, boot, checkout
from podup.update.remembered import hold_reason
from podup.version import VERSION

TOKEN = "the-operators-token"
SECRET = "the-webhook-secret"
CLIENT = Peer("192.0.2.7")
CONTROL = Peer("", is_control=True)
BEARER = {"authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Whole:
    """Ends with `close`; settings are given by their environment names."""

    def __init__(self, tmp_path: Path, **variables: str) -> None:
        state = tmp_path / "state"
        given = {
            "PODUP_STATE_DIR": str(state),
            "PODUP_TOKEN": TOKEN,
            "PODUP_GH_WEBHOOK_SECRET": SECRET,
            "XDG_RUNTIME_DIR": str(tmp_path / "run"),
            **variables,
        }
        self.loaded = load(Environment(given, tmp_path, 1000), shared_state=tmp_path / "srv")
        self.clock = ManualClock()
        ground = self.ground(tmp_path, self.clock)
        self.machine = ground.simulator or Simulator(self.clock)
        set_up_demo(self.machine)
        make_dirs(state)
        self.lock = FileLock(state / "daemon.lock", what="test")
        assert self.lock.acquire()
        self.database, _ = open_current(
            self.loaded.settings.state.database,
            lock=self.lock,
            version=VERSION,
            now=self.clock.now(),
            backups=state / "backups",
        )
        self.built = build(self.loaded, self.database, self.clock, wake=lambda: None, ground=ground)
        self.engine = self.built.engine
        self.engine.catalogue.find()
        self.hub = Hub()
        hooks = UpdateHooks(
            lambda _knock: None,
            lambda: assemble.parts_of(self.loaded, self.clock, lambda _text: None),
            lambda: {"txid": "", "maintenance": False, "beats": True, "hold": self._hold()},
        )
        self.token_uses = TokenUses(self.database, self.clock, wake=lambda: None)
        self.auth = auth_of(self.loaded, self.engine, self.clock, on_use=self.token_uses.note)
        self.site = site_of(
            all_routes(self.built, self.loaded, self.hub, hooks, keep_payload=self._keep_payload),
            self.engine,
            self.loaded,
            self.auth,
            on_done=RequestLog(self.engine.log, self.clock).heard,
        )

    def ground(self, root: Path, clock: ManualClock) -> Ground:
        """Return what is managed; nothing runs the tasks."""
        return Ground(simulator=Simulator(clock))

    def _hold(self) -> str:
        return hold_reason(checkout.places_of(self.loaded))

    def _keep_payload(self, body: bytes) -> None:
        durable_write(self.engine.state_dir / "last_payload.bin", body)

    def close(self) -> None:
        self.database.close()
        self.lock.release()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        peer: Peer = CLIENT,
    ) -> Answer:
        """Ask as an administrator with a token, unless other headers are given. A body may be bytes."""
        path, _, query = path.partition("?")
        pairs = [part.partition("=") for part in query.split("&") if part]
        asked = {name: [value] for name, _, value in pairs}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        said = {"host": "localhost", **({"content-type": "application/json"} if data else {})}
        said |= BEARER if headers is None else headers
        head = Head(method, path, asked, said, len(data), False, True, False)
        request, admitted = self.site.begin(head, peer), None
        try:
            admitted = self.site.admit(request)
            request = self.site.complete(admitted, data)
            [response] = self.site.answer_turn(admitted.route, [request])
        except PodupError as error:
            request = self.site.known(request, admitted, error)
            response = self.site.refuse(request, error)
        self.site.done(request, response, 0.012)
        return Answer(response.status, dict(response.headers), response.body)

    def deliver(self, unit: str, said: dict[str, Any], *, secret: str = SECRET) -> Answer:
        """Send a signed webhook of the plain kind: `{image, tag?, digest?}`."""
        data = json.dumps(said).encode()
        signature = sign(data, Secret(secret))
        return self.ask(
            "POST", f"/github-package-update/{unit}", data, headers={"x-podup-signature-256": signature}
        )

    def events(self, query: str = "") -> list[dict[str, Any]]:
        """Return the event log, newest first, after storing what waits."""
        self.engine.log.flush()
        return self.ask("GET", f"/api/events?per_page=500&{query}", peer=CONTROL).json["events"]


def maintenance_of(whole: Whole) -> boot.Maintenance:
    """Return what tells that an update is under way."""
    return boot.Maintenance(checkout.places_of(whole.loaded).journal)


def self_updates(
    whole: Whole,
    *,
    outbox: Outbox | None = None,
    say: Callable[[str], None] = lambda _line: None,
    leave: Callable[[], None] = lambda: None,
) -> SelfUpdates:
    """Return a daemon's part in its own updates."""
    told = {"maintenance": maintenance_of(whole), "say": say, "leave": leave}
    return SelfUpdates(whole.loaded, whole.engine, outbox or whole.built.outbox, **told)
