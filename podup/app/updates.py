"""The daemon's part in its own updates: maintenance, an update left alone, the built-in thread.

From SNAPSHOT to the verdict the database takes no write: whoever wants to write is told to come back, and
accepted webhooks wait in the spool until the end, when each is handed over once, by its key.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from podup.app.notices import Alarm
from podup.app.report_import import ReportImport
from podup.core.cron import next_time, parse_cron
from podup.core.numbers import counted
from podup.core.secrets import Redactor
from podup.engine.engine import Engine
from podup.engine.inbox import Knock
from podup.engine.outbox import Outbox
from podup.errors import Busy, PodupError, Unavailable
from podup.files import Spool, is_locked
from podup.late import late
from podup.records import asdict
from podup.server.request import Request
from podup.server.router import Route, Who
from podup.settings.load import Loaded
from podup.store.db import Connection, Store
from podup.update import boot, checkout

if TYPE_CHECKING:
    import shlex

    from podup.update import assemble, choosing, launch
else:
    assemble = late("podup.update.assemble")
    choosing = late("podup.update.choosing")
    launch = late("podup.update.launch")
    shlex = late("shlex")

MAINTENANCE = "maintenance"
_OPEN_PATHS = frozenset({"/health", "/livez", "/readyz", "/sse/hello"})
_BUSY_EVERY_S = 1.0
_IDLE_EVERY_S = 4.0
_IMPORT_EVERY_S = 60.0
_BEATS_WITHIN_S = 15.0
_CRON_UNIT = "podup-self-update-cron.service"


class QuietStore:
    """The store, closed for writing while an update is under way."""

    def __init__(self, store: Store, maintenance: boot.Maintenance) -> None:
        self._store = store
        self._maintenance = maintenance

    def read(self) -> AbstractContextManager[Connection]:
        """Give a connection that sees one consistent state."""
        return self._store.read()

    def write(self) -> AbstractContextManager[Connection]:
        """Give a connection inside one transaction. Raises Unavailable `maintenance`."""
        if self._maintenance.is_on():
            raise in_maintenance()
        return self._store.write()

    def checkpoint(self) -> None:
        """Spare later commits some work. Raises Unavailable `maintenance`."""
        if self._maintenance.is_on():
            raise in_maintenance()
        self._store.checkpoint()


class SelfUpdates:
    """What the daemon does about its own updates; `turn` is called each second while one is under way."""

    def __init__(
        self,
        loaded: Loaded,
        engine: Engine,
        outbox: Outbox,
        *,
        maintenance: boot.Maintenance,
        say: Callable[[str], None],
        leave: Callable[[], None],
    ) -> None:
        self._loaded = loaded
        self._engine = engine
        self._outbox = outbox
        self._maintenance = maintenance
        self._clock = engine.clock
        self._say = say
        self._leave = leave
        self.places = checkout.places_of(loaded)
        option = loaded.environment.manager_option
        self.alarm = Alarm(self.places, engine.clock, manager_option=option)
        self._reports = ReportImport(
            self.places.reports, engine, outbox, redactor=Redactor(loaded.secrets()), say=say
        )
        self._spool = Spool(self.places.spool)
        self._started_in = boot.running_txid(self.places)
        self._beat_s = engine.clock.monotonic()
        self._import_at_s = 0.0
        self._next_run: float | None = self._first_run()

    @property
    def parts(self) -> "assemble.Parts":
        """What everything of an update is built from."""
        return assemble.parts_of(self._loaded, self._clock, self._say)

    def beat(self) -> None:
        """Note that the daemon's repeated work goes on."""
        self._beat_s = self._clock.monotonic()

    def health(self) -> dict[str, Any]:
        """Return what /health says of an update: its transaction, and whether this program's duties go on."""
        beats = self._clock.monotonic() - self._beat_s < _BEATS_WITHIN_S
        is_on, hold = self._maintenance.is_on(), self.alarm.hold()
        return {"txid": self._started_in, "maintenance": is_on, "beats": beats, "hold": hold}

    def check(self, request: Request, route: Route) -> None:
        """Turn away what cannot be served now. Raises Unavailable `maintenance`."""
        if route.who is Who.SIGNATURE or request.path in _OPEN_PATHS or not self._maintenance.is_on():
            return
        raise in_maintenance()

    def keep(self, knock: Knock) -> None:
        """Keep a webhook whose signature matched; on return it survives a power cut."""
        body = {**asdict(knock), "body": base64.b64encode(knock.body).decode()}
        key = f"{knock.unit} {knock.delivery_id} {hashlib.sha256(knock.body).hexdigest()}"
        self._spool.put(key, json.dumps(body).encode())

    def turn(self) -> float:
        """Look after everything once; return the seconds until the next look."""
        self.beat()
        now = self._clock.now()
        self._attend()
        if not self._maintenance.is_on():
            if len(self._spool):
                count = boot.replay(self._spool, self._hand_over)
                self._say(f"handed over {counted(count, 'webhook')} that waited for the update")
            if self._clock.monotonic() >= self._import_at_s:
                self._import_at_s = self._clock.monotonic() + _IMPORT_EVERY_S
                self._reports.turn()
                self._look_out()
            if self._next_run is not None and now >= self._next_run:
                self._next_run = self._run_by_cron(now)
        return _BUSY_EVERY_S if self.places.journal.exists() else _IDLE_EVERY_S

    def _attend(self) -> None:
        if not self.places.journal.exists():
            return
        done = boot.attend(assemble.ground_of(self.parts))
        if done is boot.Next.LEAVE:
            self._say("the update this program belongs to was interrupted; leaving, so that it is taken back")
            self._leave()
        elif done is boot.Next.SETTLED:
            self._say("an interrupted update is settled")

    def _hand_over(self, waited: Sequence[tuple[str, bytes]]) -> None:
        good = []
        for _key, data in waited:
            body = json.loads(data)
            knock = Knock(**{**body, "body": base64.b64decode(body["body"])})
            try:
                good.append(self._engine.inbox.check(knock))
            except PodupError as error:
                self._say(f"a webhook that waited for {knock.unit} is no longer good: {error.message}")
        with self._engine.store.write() as cx:
            self._engine.inbox.accept_all(cx, good)
        self._engine.wake()

    def _look_out(self) -> None:
        """Tell what is badly wrong, and wake who sends it."""
        self.alarm.look(self._engine.store, self._outbox)
        if self._outbox.has_news:
            self._engine.wake()

    def _first_run(self) -> float | None:
        """Return when the built-in thread runs first; None leaves it off, with a warning by the settings."""
        text = self._loaded.settings.updates.cron
        if not text:
            return None
        try:
            return float(next_time(parse_cron(text), self._clock.now(), self._clock.local))
        except ValueError as error:
            self._say(f"warning: PODUP_SELF_UPDATE_CRON is wrong and the built-in updates stay off: {error}")
            return None

    def _run_by_cron(self, now: float) -> float:
        updates = self._loaded.settings.updates
        try:
            if is_locked(self.places.lock):
                self._say("an update is still running; this round is left out")
            elif updates.command:
                self._run_command(updates.command)
            else:
                dry_run, tag = updates.is_dry_run, updates.tag
                wanted = choosing.Request(dry_run=dry_run, is_automatic=True, tag=tag, actor="cron")
                launch.start(self.parts, wanted)
        except Busy as error:
            self._say(error.message)
        except PodupError as error:
            self._say(f"the update could not be started: {error.message}")
        return float(next_time(parse_cron(updates.cron), now, self._clock.local))

    def _run_command(self, command: str) -> None:
        """Run the operator's command in a unit of its own; systemd refuses a second one of the name."""
        settings = self._loaded.settings
        variables = {
            "PODUP_STATE_DIR": str(settings.state.directory),
            "PODUP_SELF_UPDATE_REPORT_DIR": str(settings.updates.report_dir),
            "PODUP_SELF_UPDATE_DRY_RUN": "1" if settings.updates.is_dry_run else "0",
            "TARGET_BIN": str(settings.updates.target),
        }
        properties = [f"Environment={shlex.quote(f'{name}={value}')}" for name, value in variables.items()]
        self.parts.systemd.run_transient(
            _CRON_UNIT, shlex.split(command), says="update of pod-upgrade-trigger", properties=properties
        )


def in_maintenance() -> Unavailable:
    """Return the error that says: come back after the update."""
    message = "the program is being updated and comes back in a moment"
    hint = "webhooks are accepted meanwhile and run afterwards"
    return Unavailable(MAINTENANCE, message, hint, retry_after_s=boot.RETRY_AFTER_S)


def refuse_for_now(_knock: Knock) -> None:
    """Turn a webhook away while an update is under way and there is no daemon to keep it."""
    raise in_maintenance()
