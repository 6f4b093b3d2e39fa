"""A self-update's world, built from the settings: places, database, service, release server, limits."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from podup.clock import Clock
from podup.core.releases import is_in_canary
from podup.core.windows import is_open
from podup.errors import PodupError
from podup.host.run import HostRunner, Runner
from podup.host.systemd import Systemd
from podup.net.control import ControlClient
from podup.net.http import Http, Limits
from podup.net.releases import ReleaseClient, Source
from podup.records import dataclass
from podup.settings.load import Loaded
from podup.update import boot, checkout
from podup.update.checkout import places_of
from podup.update.journal import Record, load
from podup.update.log import logger
from podup.update.machine import (
    HealthProber,
    SqliteDatabase,
    SupervisedService,
    SystemdService,
    dry_start,
    dry_start_s,
    signature_check,
)
from podup.update.places import Places
from podup.update.reports import UNIT
from podup.update.world import DryStart, Ground, Service, Timing, World

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class Parts:
    """What everything of a self-update is built from; `echo` takes the lines a person reads."""

    loaded: Loaded
    clock: Clock
    runner: Runner
    echo: Callable[[str], None]

    @property
    def systemd(self) -> Systemd:
        return Systemd(self.runner, user=not self.loaded.environment.is_root)


def parts_of(loaded: Loaded, clock: Clock, echo: Callable[[str], None]) -> Parts:
    """Return the parts for this machine."""
    return Parts(loaded, clock, HostRunner(clock, loaded.environment.for_children), echo)


def ground_of(parts: Parts, *, txid: str = "") -> Ground:
    """Return what recovery works with; without `txid` lines are logged for the running transaction."""
    places = places_of(parts.loaded)
    seen = load(places.journal) if not txid else None
    name = txid or (seen.txid if isinstance(seen, Record) else "-")
    return Ground(
        places=places,
        clock=parts.clock,
        database=SqliteDatabase(),
        log=logger(places.log, name, parts.clock, parts.echo),
        boot_id=_text(_BOOT_ID),
        host=os.uname().nodename,
        pid=os.getpid(),
        checkout=_checkout_of(parts, places),
        keep_versions=parts.loaded.settings.updates.keep_versions,
    )


def _checkout_of(parts: Parts, places: Places) -> checkout.ScriptedCheckout | None:
    environment = parts.loaded.environment
    if not checkout.is_source(environment):
        return None
    return checkout.ScriptedCheckout(parts.runner, places, checkout.variables(environment))


def world_of(parts: Parts, ground: Ground, *, dry_run: bool) -> World:
    """Return what a transaction works with. A dry run remembers nothing about the release server."""
    updates = parts.loaded.settings.updates
    http = _http(parts)
    return World(
        ground=ground,
        service=service_of(parts, ground.places),
        prober=HealthProber(doors(ground.places, parts.loaded, http)),
        releases=releases_of(parts, ground, dry_run=dry_run),
        dry_start=_dry_start(parts, ground),
        may_begin=lambda version: why_to_wait(parts, version),
        free_bytes=free_bytes,
        timing=Timing(trial_s=updates.trial_s, settle_s=updates.settle_s),
    )


def releases_of(parts: Parts, ground: Ground, *, dry_run: bool) -> ReleaseClient:
    """Return the release server of the settings."""
    updates = parts.loaded.settings.updates
    source = Source(
        repo=updates.repo,
        channel=updates.channel,
        api_url=updates.api_url,
        base_url=updates.base_url,
        token=updates.token,
        cache=None if dry_run else ground.places.release_cache,
    )
    verify = None
    if updates.allowed_signers is not None:
        verify = signature_check(parts.runner, updates.allowed_signers, ground.places.scratch)
    return ReleaseClient(_http(parts), parts.clock, source, verify=verify)


def _dry_start(parts: Parts, ground: Ground) -> Callable[[Path, Path | None, int], DryStart]:
    trial_s = parts.loaded.settings.updates.trial_s
    given = checkout.variables(parts.loaded.environment) if ground.checkout else {}
    python = given.get("PYTHON") or sys.executable
    return lambda program, copy, patience: dry_start(
        parts.runner, python, program, copy, within_s=dry_start_s(trial_s, patience), given=given
    )


def service_of(parts: Parts, places: Places) -> Service | None:
    """Return what runs the program: its unit, layer 1, or nothing."""
    try:
        (state,) = parts.systemd.show(UNIT)
        if state.exists:
            return SystemdService(parts.systemd, UNIT)
    except PodupError:
        pass  # no systemd here: layer 1 or nothing
    if is_supervised(places):
        return SupervisedService(parts.runner, parts.clock, places.daemon_lock, places.supervised)
    return None


def is_supervised(places: Places) -> bool:
    """Return whether `scripts/entrypoint.sh` is alive on this state directory."""
    pid = _text(places.supervisor)
    words = _text(Path("/proc", pid, "cmdline")).split("\0") if pid.isdecimal() else []
    return any(Path(word).name == "entrypoint.sh" for word in words)


def doors(places: Places, loaded: Loaded, http: Http) -> Mapping[str, Callable[[], Any]]:
    """Return how the running program is asked: where it said it listens, else where the settings say."""
    told = boot.read_listening(places)
    address = loaded.settings.http.address
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(address.host, address.host)
    url = told.url or f"http://{host}:{address.port}"
    found: dict[str, Callable[[], Any]] = {"port": lambda: _health(http, url)}
    if told.socket:
        found["control socket"] = lambda: ControlClient(Path(told.socket)).call("GET", "/health")
    return found


def why_to_wait(parts: Parts, version: str) -> str:
    """Return why an automatic update has to wait, empty when it may go on."""
    now = parts.clock.now()
    windows = parts.loaded.config.windows
    if windows and not is_open(windows, parts.clock.local(now)):
        return "no maintenance window is open"
    share = parts.loaded.settings.updates.canary
    if not is_in_canary(_text(_MACHINE_ID) or os.uname().nodename, version, share):
        return f"this machine is not among the first {share:.0%} that take {version}"
    return ""


def free_bytes(directory: Path) -> int:
    """Return the room an ordinary user has on the file system of the directory, or of what will hold it."""
    while not directory.exists():
        directory = directory.parent
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _health(http: Http, url: str) -> Any:
    answer = http.fetch("GET", f"{url}/health", limits=Limits(deadline_s=3.0, max_bytes=1024 * 1024))
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _http(parts: Parts) -> Http:
    return Http(parts.clock, proxies=parts.loaded.environment.proxies)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""
