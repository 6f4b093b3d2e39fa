"""What an update of the program costs: how long it takes, how long the port is away, and what is lost.

Run it inside the lab, after building:
    python3 build_zipapp.py && scripts/lab run python3 bench/update.py [--rounds 3] [--seconds 60]

Rounds: the plain unit is updated from a local mirror to versions that migrate its database. Seconds: with
systemd holding the port, webhooks come at a steady rate while one update runs in their midst, and two pushes
that deploy: one before it and one in it. Exits 1 when the port was away for longer than 1.5 s, an update took
longer than 5 s besides its trial, an answer was not 202, or a delivery or a push was not there exactly once.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "lab"))

from host.containers import free_port
from labkit.commands import eventually
from labkit.daemon import SECRET, Daemon, daemon_running
from labkit.database import count
from labkit.images import Build, push
from labkit.registries import lab_registry
from labkit.releases import MIGRATION, Mirror, build_version, mirror
from labkit.sender import Sender, port_held
from labkit.services import Service, launch, remove, wait_for_version, write_unit
from labkit.webhooks import deliver, package_event, request, send

SETTLE_S = 3
AWAY_BUDGET_S = 1.5
UPDATE_BUDGET_S = 5.0
_LOOK_EVERY_S = 0.01
_STARTS_AT = 90


def main(arguments: list[str]) -> int:
    """Measure; return 1 when a budget is exceeded or something is lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--per-s", type=float, default=50.0)
    asked = parser.parse_args(arguments)
    quick = {"PODUP_UPDATE_SETTLE_SECS": str(SETTLE_S), "PODUP_UPDATE_TRIAL_SECS": "20"}
    with mirror() as releases, tempfile.TemporaryDirectory(prefix="bench-update-") as directory:
        for name in ("plain", "socket"):
            (Path(directory) / name).mkdir()
        settings = releases.settings() | quick
        versions = build(Path(directory), asked.rounds + 1)
        with daemon_running(Path(directory) / "plain", settings) as daemon:
            is_well = update_plainly(daemon, releases, versions[: asked.rounds])
        socket = daemon_running(Path(directory) / "socket", settings)
        with socket as daemon, port_held(daemon), service_running() as service:
            releases.publish(*versions[-1])
            is_well &= update_under_load(daemon, service, seconds=asked.seconds, per_s=asked.per_s)
    return int(not is_well)


def build(directory: Path, rounds: int) -> list[tuple[str, Path]]:
    """Return version and program of each release, each with a migration of its own."""
    migration = MIGRATION.format(name="benched")
    versions = [f"{_STARTS_AT + number}.0.0" for number in range(rounds)]
    return [(version, build_version(version, directory, migration=migration)) for version in versions]


def update_plainly(daemon: Daemon, releases: Mirror, versions: list[tuple[str, Path]]) -> bool:
    """Update the plain unit to one version after the other and print what it cost."""
    away, took = [], []
    for version, program in versions:
        releases.publish(version, program)
        with Watch(daemon) as watch:
            began_s = time.monotonic()
            done = daemon.command("self-update", timeout_s=120)
            took.append(time.monotonic() - began_s - SETTLE_S)
        if done.returncode:
            raise AssertionError(done)
        away.append(watch.longest_s)
        figures = f"{took[-1]:.2f} s besides the trial of {SETTLE_S} s; away for {away[-1]:.2f} s"
        print(f"to {version}: {figures}", flush=True)
    away_s, took_s = statistics.median(away), statistics.median(took)
    print(f"plain unit: away for {away_s:.2f} s (budget {AWAY_BUDGET_S} s), at most {max(away):.2f} s")
    print(f"update from a local mirror: {took_s:.2f} s besides the trial (budget {UPDATE_BUDGET_S} s)")
    return away_s <= AWAY_BUDGET_S and took_s <= UPDATE_BUDGET_S


class Watch:
    """Asks /livez again and again; `longest_s` is the longest time without an answer."""

    def __init__(self, daemon: Daemon) -> None:
        self.longest_s = 0.0
        self._url = f"{daemon.url}/livez"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        last_s = time.monotonic()
        while not self._is_over.wait(_LOOK_EVERY_S):
            try:
                request(self._url)
            except OSError:
                continue
            now_s = time.monotonic()
            self.longest_s, last_s = max(self.longest_s, now_s - last_s), now_s


@contextmanager
def service_running() -> Iterator[Service]:
    """A service to deploy to."""
    service = Service("updated-beside", f"{lab_registry()}/acme/updated-beside:latest", free_port())
    write_unit(service)
    launch(service)
    try:
        yield service
    finally:
        remove(service)


def update_under_load(daemon: Daemon, service: Service, *, seconds: float, per_s: float) -> bool:
    """Update once in the middle of a stream of webhooks and print what came of them."""
    daemon.look_again()
    before = count(daemon.state, "deliveries")
    began_s = time.monotonic()
    sender = Sender(daemon, service, per_s=per_s)
    deploy(daemon, service, "v2")
    wait_for_version(service, "v2", timeout_s=60)
    time.sleep(max(0.0, began_s + seconds / 3 - time.monotonic()))
    update = threading.Thread(target=daemon.command, args=("self-update",))
    update.start()
    eventually("the database takes no write", lambda: is_in_maintenance(daemon), timeout_s=60)
    deploy(daemon, service, "v3")
    update.join()
    time.sleep(max(0.0, began_s + seconds - time.monotonic()))
    sender.stop()
    took_s = time.monotonic() - began_s
    wait_for_version(service, "v3", timeout_s=60)
    expected = before + len(sender.sent) + 2
    eventually("all are handed over", lambda: count(daemon.state, "deliveries") >= expected)
    return report(daemon, service, sender, took_s=took_s, expected=expected)


def deploy(daemon: Daemon, service: Service, version: str) -> None:
    """Push a version and send its webhook."""
    event = package_event(service.image, push(Build(version), service.image))
    answer = send(daemon.url, deliver(service.unit, event, SECRET))
    if answer.status != 202:
        raise AssertionError(answer)


def is_in_maintenance(daemon: Daemon) -> bool:
    return bool(request(f"{daemon.url}/health").body.get("update", {}).get("maintenance"))


def report(daemon: Daemon, service: Service, sender: Sender, *, took_s: float, expected: int) -> bool:
    """Print the figures; return whether all is well."""
    refused = [sent for sent in sender.sent if not sent.is_accepted]
    waited = sum(sent.waited_for_update for sent in sender.sent)
    slowest_s = max(sent.took_s for sent in sender.sent)
    rows = count(daemon.state, "deliveries")
    tasks = daemon.api(f"/api/tasks?unit={service.unit}").body["tasks"]
    statuses = [daemon.wait_for_task(task["task_id"])["status"] for task in tasks]
    version = request(f"{daemon.url}/health").body["version"]
    rate = len(sender.sent) / took_s
    print(f"socket: {len(sender.sent)} webhooks in {took_s:.0f} s ({rate:.0f}/s), updated to {version}")
    print(f"  refused {len(refused)}, waited in the spool {waited}, slowest answer {slowest_s:.2f} s")
    print(f"  rows {rows} (expected {expected}); 2 pushes: tasks {', '.join(statuses)}")
    return not refused and rows == expected and statuses == ["succeeded", "succeeded"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
