"""From the push's webhook to the new version answering, against the same done by hand.

By hand: `podman pull` and `systemctl --user restart`. Run it inside the lab, after building:
    python3 build_zipapp.py && scripts/lab run python3 bench/deploy.py [ROUNDS]
Rounds alternate; medians and the difference are printed, and the commands of the last task with their
times. Exits 1 when the difference is over two seconds.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "lab"))

from host.containers import free_port
from labkit.commands import run
from labkit.daemon import SECRET, Daemon
from labkit.images import Build, push
from labkit.registries import lab_registry
from labkit.services import Service, remove, served_version, start, write_unit
from labkit.webhooks import deliver, package_event, send

BUDGET_S = 2.0
EVERY_S = 0.01


def main(arguments: list[str]) -> int:
    """Measure; return 1 when the budget is exceeded."""
    rounds = int(arguments[0]) if arguments else 5
    service = Service("benched", f"{lab_registry()}/acme/benched:latest", free_port())
    daemon = Daemon(Path("/tmp/podup-bench-state"), {})
    write_unit(service)
    push(Build("v0"), service.image)
    start(service, serves="v0")
    daemon.install()
    daemon.start()
    try:
        daemon.look_again()
        by_hand, by_push, task = [], [], {}
        for number in range(rounds):
            by_hand.append(deploy_by_hand(service, f"hand{number}"))
            taken_s, task = deploy_by_push(daemon, service, f"push{number}")
            by_push.append(taken_s)
    finally:
        daemon.stop()
        remove(service)
    return report(by_hand, by_push, task)


def deploy_by_hand(service: Service, version: str) -> float:
    """Return the seconds until the new version answers."""
    push(Build(version), service.image)
    began = time.monotonic()
    run("podman", "pull", "--quiet", service.image)
    run("systemctl", "--user", "restart", service.unit)
    return wait(service, version, began)


def deploy_by_push(daemon: Daemon, service: Service, version: str) -> tuple[float, dict[str, object]]:
    """Return the seconds until the new version answers, and the task once it has ended."""
    digest = push(Build(version), service.image)
    delivery = deliver(service.unit, package_event(service.image, digest), SECRET)
    began = time.monotonic()
    answer = send(daemon.url, delivery)
    taken_s = wait(service, version, began)
    return taken_s, daemon.wait_for_task(answer.body["task_id"])


def wait(service: Service, version: str, began: float) -> float:
    """Return the seconds from `began` until the service serves `version`."""
    while served_version(service) != version:
        if time.monotonic() - began > 60:
            raise AssertionError(f"{version} does not answer")
        time.sleep(EVERY_S)
    return time.monotonic() - began


def report(by_hand: list[float], by_push: list[float], task: dict[str, object]) -> int:
    """Print the figures; return 1 when the budget is exceeded."""
    hand_s, push_s = statistics.median(by_hand), statistics.median(by_push)
    logs = task["logs"]
    assert isinstance(logs, list)
    first_s = logs[0]["ts"]
    for line in logs:
        meta = line["meta"]
        took = f"{meta['duration_ms']} ms" if meta.get("type") == "command" else ""
        print(f"{line['ts'] - first_s:7.3f} {took:>8} {line['action']:8} {line['summary'][:90]}")
    more_s = push_s - hand_s
    print(f"by hand {hand_s:.2f} s, by push {push_s:.2f} s, difference {more_s:.2f} s (budget {BUDGET_S} s)")
    return int(push_s - hand_s > BUDGET_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
