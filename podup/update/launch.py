"""Starting a self-update so that it survives what it does: in a unit of its own, from a kept copy.

Restarting the service kills whoever asks from inside it, and the file at the target is replaced under
whoever runs from it. So the caller writes down what is wanted (0600: the settings are in it), starts the
kept copy of the installed program on that, watches its log, and ends with the code of its report.
Without systemd it is a process in a session of its own.
"""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from podup.errors import Invalid, PodupError, Refused
from podup.files import durable_write, is_locked, make_dirs, remove
from podup.host.run import Detached
from podup.records import asdict, dataclass
from podup.settings.environment import Environment
from podup.settings.load import Loaded, load
from podup.update import chain, checkout, journal, kept, reports
from podup.update.assemble import Parts, ground_of, world_of
from podup.update.checkout import places_of
from podup.update.choosing import Request
from podup.update.journal import Build, Record
from podup.update.log import lines_of
from podup.update.places import Places, check_target
from podup.update.recovery import Ended
from podup.update.reports import UNIT, Report, unused_name
from podup.update.swap import new_txid
from podup.update.world import Ground

_PYTHON = ("/usr/bin/env", "python3")
_LOOK_EVERY_S = 0.3
_LONGEST_RUN_S = 2 * 3600.0


@dataclass(frozen=True, slots=True)
class Started:
    """A transaction that was started; `is_alive` tells whether its process still is."""

    txid: str
    report: Path
    is_alive: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Given:
    """What the process of a transaction found in its file."""

    request: Request
    txid: str
    loaded: Loaded


def start(parts: Parts, request: Request) -> Started:
    """Start the update in a process of its own and return.

    Raises Busy `update-running`, Refused `updates-on-hold`, `target-not-writable`, and what starting raises.
    """
    places = places_of(parts.loaded)
    _check_free(places, request)
    txid = _new_txid(parts)
    now = int(parts.clock.now())
    name = Path(request.report).name or unused_name(places.reports, now, os.getpid())
    program = _keep(parts, places)
    argv = (*_PYTHON, str(program), "run-self-update", str(places.request(txid)))
    try:
        _write(places, txid, request, name, parts.loaded)
        is_alive = _spawn(parts, txid, argv)
    except PodupError:
        remove(places.request(txid), missing_ok=True)  # secrets are in it
        raise
    return Started(txid, places.reports / name, is_alive)


def follow(parts: Parts, started: Started, echo: Callable[[str], None]) -> Report:
    """Echo the lines of a started update until it ends; return its report.

    Raises PodupError `update-died` when its process is gone without one; the next start recovers.
    """
    log = places_of(parts.loaded).log
    shown = 0
    deadline = parts.clock.monotonic() + _LONGEST_RUN_S
    while True:
        is_alive = started.is_alive()
        lines = lines_of(log, started.txid)
        for line in lines[shown:]:
            echo(line)
        shown = max(shown, len(lines))
        if not is_alive or parts.clock.monotonic() >= deadline:
            break
        parts.clock.sleep(_LOOK_EVERY_S)
    report = reports.read(started.report)
    if report is None:
        hint = "boot-guard recovers it at the next start of the service"
        raise PodupError("update-died", "the update ended without a report", hint)
    return report


def read_given(path: Path) -> Given:
    """Return what `start` wrote, and remove the file: settings in it are secret. Raises Invalid."""
    try:
        body = json.loads(path.read_bytes())
        variables = {**body["variables"], **body["texts"]}
        environment = Environment(variables, Path(body["home"]), int(body["uid"]))
        request = Request(**body["request"])
        txid = str(body["txid"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Invalid("no-request", f"{path} holds no request: {error}") from error
    remove(path, missing_ok=True)
    return Given(request, txid, load(environment, config_text=body["config_text"]))


def run_given(parts: Parts, given: Given) -> int:
    """Run the transaction of this process and return its exit code.

    It leaves a report, except when the disk kept it from ending: who ends it then writes the only one.
    """
    ground = ground_of(parts, txid=given.txid)
    try:
        ended = _run(parts, given.request, given.txid)
    except PodupError as error:
        chain.say_why(ground, error)
        request = given.request
        if not _is_open(ground, given.txid):
            reports.write_refusal(ground, error, report=request.report, dry_run=request.dry_run)
        return error.exit_code
    return reports.exit_code_of(ended.end, ended.record.code)


def _is_open(ground: Ground, txid: str) -> bool:
    seen = journal.load(ground.places.journal)
    return isinstance(seen, Record) and seen.txid == txid


def run_here(parts: Parts, request: Request) -> Ended:
    """Run a dry run in this process: nothing is replaced or restarted. Raises PodupError."""
    if not request.dry_run:
        raise Refused("not-a-dry-run", "only a dry run can run in the process that asks for it")
    return _run(parts, request, _new_txid(parts))


def _keep(parts: Parts, places: Places) -> Path:
    """Return a copy of the installed program that nothing changes while the update runs."""
    code = ground_of(parts).checkout
    if code is not None:
        return code.keep()
    before = Build(kept.read_version(places.target), kept.digest(places.target))
    return kept.keep(places, places.target, before)


def _new_txid(parts: Parts) -> str:
    return new_txid(int(parts.clock.now()), os.getpid(), parts.clock.monotonic(), os.uname().nodename)


def _run(parts: Parts, request: Request, txid: str) -> Ended:
    ground = ground_of(parts, txid=txid)
    return chain.run(world_of(parts, ground, dry_run=request.dry_run), request, txid=txid)


def _check_free(places: Places, request: Request) -> None:
    """Say early what the transaction would say; it looks again under the lock."""
    check_target(places)
    if is_locked(places.lock):
        raise chain.already_running(places.lock)
    chain.refuse_on_hold(places, request)


def _write(places: Places, txid: str, request: Request, report: str, loaded: Loaded) -> None:
    environment = loaded.environment
    body: dict[str, Any] = {
        "txid": txid,
        "request": {**asdict(request), "report": report},
        "texts": dict(loaded.texts),
        "config_text": loaded.config_text,
        "variables": {**environment.for_children, **checkout.variables(environment)},
        "home": str(environment.home),
        "uid": environment.uid,
    }
    make_dirs(places.state)
    durable_write(places.request(txid), json.dumps(body).encode())


def _spawn(parts: Parts, txid: str, argv: tuple[str, ...]) -> Callable[[], bool]:
    """Start `argv` in a transient unit where the service is a unit, else in a session of its own."""
    unit = f"podup-self-update-{txid}.service"
    try:
        (state,) = parts.systemd.show(UNIT)
    except PodupError:
        state = None
    if state is None or not state.exists:
        child = Detached(argv, parts.loaded.environment.for_children)
        return child.is_alive
    properties = ["UMask=0077", "TimeoutStopSec=60"]
    if state.is_alive:
        # Killed between stop and start (its journal is there still) it would leave the service down: systemd
        # brings it up again, and boot-guard in front of that start takes back what was begun.
        scope = parts.loaded.environment.manager_option
        start = f'test ! -e "$1" || exec systemctl {scope} start --no-block {UNIT}'
        words = ("/bin/sh", "-c", start, "sh", str(places_of(parts.loaded).journal))
        properties.append(f"ExecStopPost={shlex.join(words).replace('$', '$$')}")
    parts.systemd.run_transient(unit, argv, says="pod-upgrade-trigger updates itself", properties=properties)

    def is_alive() -> bool:
        (seen,) = parts.systemd.show(unit)
        return seen.is_alive

    return is_alive
