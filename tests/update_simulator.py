"""A small simulated machine for self-updates: programs, a service manager, a release server, a clock.

Rules: a program is a zip that says its version, its schema and how it behaves; the service manager runs
`boot-guard` before each start, starts what stands at the target, and starts it again when it leaves; a
running program migrates the database, answers, and looks after a transaction left alone. A webhook comes
whenever it is stopped or started during an update: it waits in the spool, is on the list of what was
acknowledged, and reaches the database when the update is over. The state of the service is in a file,
because tests kill the process that simulates it.
"""

import contextlib
import json
import sqlite3
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from podup.core.host_faults import Blame, Problem
from podup.core.releases import Release
from podup.core.versions import parse_tag
from podup.errors import PodupError, Unavailable
from podup.files import NewFile, Spool, sync_dir
from podup.files.calls import told
from podup.files.trace import announce
from podup.update import boot, chain, choosing, guard, kept
from podup.update.places import Places
from podup.update.world import Answer, DryStart, Ground, Running, Shape, Timing, World

OLD, NEW = "1.0.0", "1.1.0"
ROWS = 25


def build(path: Path, version: str, *, schema: int = 1, behaviour: str = "good") -> Path:
    """Write a program; equal arguments give equal bytes."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in (
            ("podup/version.py", f'VERSION = "{version}"\n'),
            ("about.json", json.dumps({"version": version, "schema": schema, "behaviour": behaviour})),
        ):
            packed.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    path.chmod(0o755)
    return path


def about(path: Path) -> dict:
    """Return what the program says it is; in a checkout it is the file `program`."""
    path = path / "program" if path.is_dir() else path
    with zipfile.ZipFile(path) as packed:
        return json.loads(packed.read("about.json"))


class SimClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self):
        return self.time

    def monotonic(self):
        return self.time

    def sleep(self, seconds):
        self.time += max(seconds, 0.001)

    def local(self, unix_s):
        raise NotImplementedError


class SqliteDatabase:
    """The `Database` protocol over sqlite3, its schema number in user_version."""

    def copy(self, source: Path, target: Path) -> str:
        with told(target):
            announce("backup", target)
        reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
        except sqlite3.Error as error:
            raise Unavailable("database-not-writable", str(error)) from error
        finally:
            writing.close()
            reading.close()
        return kept.digest(target)

    def look(self, path: Path) -> Shape:
        try:
            cx = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                schema = cx.execute("pragma user_version").fetchone()[0]
                problems = [row[0] for row in cx.execute("pragma integrity_check") if row[0] != "ok"]
                tables = [row[0] for row in cx.execute("select name from sqlite_master where type='table'")]
                columns = {t: tuple(r[1] for r in cx.execute(f"pragma table_info({t})")) for t in tables}
                rows = {t: cx.execute(f"select count(*) from {t}").fetchone()[0] for t in tables}
                return Shape(schema, tuple(problems), columns, rows)
            finally:
                cx.close()
        except sqlite3.Error as error:
            return Shape(0, (str(error),))


def make_database(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cx = sqlite3.connect(path)
    cx.execute("pragma journal_mode=wal")
    cx.execute("create table things(id integer primary key, name text)")
    cx.executemany("insert into things(name) values (?)", [(f"row {n}",) for n in range(ROWS)])
    cx.execute("create table deliveries(key text primary key)")
    cx.execute("pragma user_version=1")
    cx.commit()
    cx.close()


def deliver(path: Path, items: Sequence[tuple[str, bytes]]) -> None:
    """Commit deliveries by their keys, once."""
    cx = sqlite3.connect(path)
    with told(path):
        announce("commit", path)
    cx.executemany("insert or ignore into deliveries values (?)", [(key,) for key, _ in items])
    cx.commit()
    cx.close()


def delivered(path: Path) -> list[str]:
    cx = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [row[0] for row in cx.execute("select key from deliveries order by key")]
    finally:
        cx.close()


def migrate(path: Path, schema: int, behaviour: str) -> None:
    cx = sqlite3.connect(path)
    (now,) = cx.execute("pragma user_version").fetchone()
    if now > schema:
        cx.close()
        raise PodupError("database-newer", f"the database has schema {now}, this program knows {schema}")
    if now < schema:
        with told(path):
            announce("migrate", path)
        cx.execute("create table more(id integer primary key)")
        cx.execute(f"pragma user_version={schema}")
        if behaviour == "drops-column":
            cx.execute("alter table things drop column name")
        cx.commit()
    cx.close()
    if behaviour == "migration-raises":
        raise PodupError("migration-failed", "it raises after it changed the database")


@dataclass
class SimService:
    """The service manager and the program it runs."""

    ground: Ground
    path: Path
    looks: int = 0
    commands: list[str] = field(default_factory=list)

    def _state(self) -> dict:
        return json.loads(self.path.read_bytes()) if self.path.exists() else {"active": False, "restarts": 0}

    def _set(self, **changes) -> dict:
        state = {**self._state(), **changes}
        self.path.write_text(json.dumps(state))
        return state

    @property
    def acknowledged(self) -> list[str]:
        path = self.path.with_name("acknowledged")
        return path.read_text().split() if path.exists() else []

    def _webhook(self):
        """One comes in while the database takes no write."""
        maintenance = boot.Maintenance(self.ground.places.journal)
        if not self._state()["active"] or not maintenance.is_on():
            return
        key = f"hook-{len(self.acknowledged):02d}"
        with contextlib.suppress(PodupError):  # answered 503, nobody was promised anything
            Spool(self.ground.places.spool).put(key, b"{}")
            with self.path.with_name("acknowledged").open("a") as file:
                file.write(f"{key}\n")

    def stop(self):
        self._webhook()
        announce("service-stop", self.ground.places.target)
        self.commands.append("stop")
        self._set(active=False, restarts=0)

    def start(self):
        announce("service-start", self.ground.places.target)
        self.commands.append("start")
        self._set(restarts=0)
        self._start_once()

    def _start_once(self):
        self.looks = 0
        try:
            guard.guard(self.ground, wait_s=0)
        except PodupError as error:
            self.ground.log(f"guard: {error.message}")
        program = about(self.ground.places.target)
        behaviour = program["behaviour"]
        try:
            if behaviour == "crash":
                raise PodupError("crash", "it ends at once")
            migrate(self.ground.places.database, program["schema"], behaviour)
        except (PodupError, sqlite3.Error):
            self._set(active=False, restarts=self._state()["restarts"] + 1)
            return
        answers = {
            "version": program["version"],
            "txid": boot.running_txid(self.ground.places),
            "behaviour": behaviour,
        }
        self._set(active=True, **answers)
        self._webhook()
        self.attend()

    def attend(self):
        """What a running program does each second; it hears of trouble and looks again in the next one."""
        try:
            if self._state()["active"] and boot.attend(self.ground) is boot.Next.LEAVE:
                self._set(active=False, restarts=self._state()["restarts"] + 1)
                self._start_once()
            places = self.ground.places
            if self._state()["active"] and not boot.Maintenance(places.journal).is_on():
                boot.replay(Spool(places.spool), lambda items: deliver(places.database, items))
        except (PodupError, sqlite3.Error) as error:
            self.ground.log(f"daemon: {error}")

    def look(self) -> Running:
        self.looks += 1
        state = self._state()
        if state.get("behaviour") == "dies-later" and self.looks > 5:
            state = self._set(active=False, restarts=1)
        return Running(state["active"], False, state["restarts"])

    def log_since(self, began: int) -> str:
        return f"its log since {began}"

    def ask(self) -> tuple[Answer, ...]:
        state = self._state()
        if not state["active"]:
            return (Answer("port", error="connection refused"),)
        behaviour = state.get("behaviour")
        if behaviour == "mute":
            return (Answer("port", error="timed out"),)
        if behaviour == "half-mute":
            good = Answer("port", state["version"], state["txid"])
            return (good, Answer("socket", error="timed out"))
        version = "9.9.9" if behaviour == "wrong-version" else state["version"]
        issues = frozenset({"podman"}) if behaviour == "ill" else frozenset()
        beats = behaviour != "no-beat"
        return (Answer("port", version, state["txid"], issues, behaviour != "no-database", beats),)

    @property
    def running(self) -> str:
        state = self._state()
        return state["version"] if state["active"] else ""


@dataclass
class SimReleases:
    """A release server with one program."""

    program: Path
    tag: str = f"v{NEW}"
    error: PodupError | None = None

    def newest(self):
        return Release(self.tag, parse_tag(self.tag), False, self.program.stat().st_size)

    def named(self, tag):
        return Release(tag, parse_tag(tag))

    def url_of(self, tag):
        return f"https://releases.test/{tag}"

    def fetch(self, release, target):
        if self.error is not None:
            raise self.error
        with NewFile(target) as file:
            file.write(self.program.read_bytes())
            file.sync()
        sync_dir(target.parent)
        return kept.digest(target)


def dry_start(program: Path, copy: Path | None, patience: int) -> DryStart:
    seen = about(program)
    behaviour = seen["behaviour"]
    if behaviour in ("no-json", "dry-crash"):
        return DryStart(problem=Problem("it ended with 1"))
    if behaviour == "host-fails":
        return DryStart(problem=Problem("no space left", Blame.WORLD))
    if behaviour.startswith("needs-patience-") and patience < int(behaviour.rpartition("-")[2]):
        return DryStart(problem=Problem("it did not end in time", Blame.UNCLEAR))
    if copy is not None:
        try:
            migrate(copy, seen["schema"], behaviour if behaviour == "drops-column" else "good")
        except sqlite3.Error as error:
            return DryStart(problem=Problem(str(error)))
    version = "7.7.7" if behaviour == "lies" else seen["version"]
    return DryStart(version, seen["schema"])


@dataclass
class Machine:
    """Everything in one directory: `old` is installed and runs, `new` is on the release server."""

    root: Path
    world: World
    service: SimService
    releases: SimReleases
    lines: list[str]

    @property
    def ground(self) -> Ground:
        return self.world.ground

    @property
    def places(self) -> Places:
        return self.world.ground.places

    def update(self, txid: str = "tx1", **request) -> chain.Ended:
        return chain.run(self.world, choosing.Request(**request), txid=txid)

    def power_cycle(self) -> None:
        """All processes are gone; the service manager starts the service again, as often as it takes."""
        self.service._set(active=False, restarts=0)
        self.settle()

    def settle(self) -> None:
        for _ in range(8):
            if not self.service._state()["active"]:
                self.service._start_once()
            self.service.attend()


def make_machine(
    root: Path, *, behaviour: str = "good", schema: int = 2, timing: Timing | None = None
) -> Machine:
    """Build the machine in an empty directory; the same call on it again finds the same machine."""
    state, binary = root / "state", root / "bin"
    places = Places(state, binary / "pod-upgrade-trigger", state / "data" / "podup.db", state / "reports")
    lines: list[str] = []
    ground = Ground(places, SimClock(), SqliteDatabase(), lines.append, boot_id="boot", host="sim", pid=4711)
    service = SimService(ground, root / "service.json")
    releases = SimReleases(root / "published.pyz")
    if not binary.exists():
        binary.mkdir(parents=True)
        build(places.target, OLD)
        build(releases.program, NEW, schema=schema, behaviour=behaviour)
        make_database(places.database)
        service.start()
        service.commands.clear()
    world = World(
        ground=ground,
        service=service,
        prober=service,
        releases=releases,
        dry_start=dry_start,
        timing=timing
        or Timing(trial_s=5, settle_s=2, back_trial_s=5, back_settle_s=1, every_s=0.2, tasks_s=2),
    )
    return Machine(root, world, service, releases, lines)


def with_changes(machine: Machine, **changes) -> Machine:
    return replace(machine, world=replace(machine.world, **changes))
