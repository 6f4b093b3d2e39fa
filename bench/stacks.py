"""A stack's new version, deployed by the program and by the same compose commands by hand.

By hand: the version into `.env`, `podman-compose pull`, stop and remove the old container (podman-compose
1.0.3 never replaces one), `podman-compose up -d web`. The program does this and: preflight, backup, keeping
the old image, judging, history, pruning. Counted is the whole command, `stack deploy`, from its start to
its exit, less the backup's step; nothing is waited for by choice (`settle_s = 0`, no smoke checks). On a
busy machine the processor time is the better figure: every process of the lab, the backup's included.
Run it inside the lab, after building:
    python3 build_zipapp.py && scripts/lab run python3 bench/stacks.py [ROUNDS]
Rounds alternate; medians and the difference are printed, and the timeline of the last task.
Exits 1 when the difference is over one second.
"""

import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "lab"))

from labkit.commands import eventually, run
from labkit.daemon import Daemon
from labkit.postgres import push_postgres
from labkit.registries import lab_registry
from labkit.stacks import LabStack, settings_for

BUDGET_S = 1.0
BASE = Path("/tmp/podup-bench-stacks")
PROCESSOR = Path("/sys/fs/cgroup/cpu.stat")


def main(arguments: list[str]) -> int:
    """Measure; return 1 when the budget is exceeded."""
    rounds = int(arguments[0]) if arguments else 5
    registry = lab_registry()
    BASE.mkdir()
    push_postgres(f"{registry}/acme/postgres:15")
    stack = LabStack("benched", "staging", BASE, registry)
    daemon = Daemon(BASE / "state", settings_for(BASE, stack))
    hurry(BASE / "config.toml")
    stack.push("v0")
    stack.write("v0")
    stack.start_by_hand()
    daemon.install()
    daemon.start()
    by_hand, by_program = Taken("by hand"), Taken("by program")
    try:
        deploy_by_program(daemon, stack, "first")  # containers of ours from here on
        for number in range(rounds):
            by_hand.add(*deploy_by_hand(stack, f"hand{number}"))
            taken_s, used_s, task = deploy_by_program(daemon, stack, f"program{number}")
            by_program.add(taken_s - backup_s(task), used_s)
    finally:
        daemon.stop()
        stack.remove()
    show(task)
    return report(by_hand, by_program)


class Taken:
    """What the rounds of one way took: seconds, and seconds of the processors."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.used: list[float] = []

    def add(self, taken_s: float, used_s: float) -> None:
        self.seconds.append(taken_s)
        self.used.append(used_s)


def hurry(config: Path) -> None:
    """Take out what a deployment waits for by choice."""
    text = re.sub(r"settle_s = \d+", "settle_s = 0", config.read_text())
    config.write_text(re.sub(r"smoke = \[.*?^\]\n", "", text, flags=re.DOTALL | re.MULTILINE))


def deploy_by_hand(stack: LabStack, version: str) -> tuple[float, float]:
    """Return the seconds the commands took, and those of the processors."""
    stack.push(version)
    compose = ("podman-compose", "-p", stack.name, "-f", str(stack.run_dir / "docker-compose.yml"))
    used, began = processor_s(), time.monotonic()
    stack.write(version)
    run(*compose, "pull")
    run("podman", "stop", "--time", "30", f"{stack.name}-web")
    run("podman", "rm", f"{stack.name}-web")
    run(*compose, "up", "-d", "web")
    taken_s, used_s = time.monotonic() - began, processor_s() - used
    assert stack.running_image().endswith(f":{version}")
    return taken_s, used_s


def deploy_by_program(daemon: Daemon, stack: LabStack, version: str) -> tuple[float, float, dict[str, Any]]:
    """Return the seconds from the command's start to its exit, those of the processors, and the task."""
    stack.push(version)
    used, began = processor_s(), time.monotonic()
    done = daemon.command("stack", "deploy", stack.name, version)
    taken_s, used_s = time.monotonic() - began, processor_s() - used
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.running_image().endswith(f":{version}")
    tasks = daemon.api("/api/tasks?kind=stack_deploy&per_page=1").body["tasks"]
    eventually("the look afterwards has ended", lambda: not has_check(daemon))
    return taken_s, used_s, daemon.task(tasks[0]["task_id"])


def has_check(daemon: Daemon) -> bool:
    """Return whether the look at the stack that follows a deployment is still to end."""
    checks = daemon.api("/api/tasks?kind=stack_check").body["tasks"]
    return any(check["status"] in ("pending", "running") for check in checks)


def processor_s() -> float:
    """Return the processor time of all processes of the lab so far (cgroups(7), cpu.stat)."""
    return int(PROCESSOR.read_text().split()[1]) / 1e6


def backup_s(task: dict[str, Any]) -> float:
    """Return how long the step that backs up took, from the task's timeline."""
    steps = [line for line in task["logs"] if line["meta"].get("type") == "step"]
    begun = next(line for line in steps if line["summary"].startswith("back up"))
    ended = next(line for line in steps if line["ts"] > begun["ts"])
    return float(ended["ts"] - begun["ts"])


def show(task: dict[str, Any]) -> None:
    """Print a task's timeline."""
    for line in task["logs"]:
        meta = line["meta"]
        took = f"{meta['duration_ms']} ms" if meta.get("type") == "command" else ""
        print(f"{line['ts'] - task['created_at']:7.3f} {took:>8} {line['action']:8} {line['summary'][:100]}")


def report(*ways: Taken) -> int:
    """Print the figures; return 1 when the budget is exceeded."""
    for way in ways:
        rounds = " ".join(f"{taken:.2f}" for taken in way.seconds)
        used_s = statistics.median(way.used)
        print(f"{way.name:10} {rounds} s, processors {used_s:.2f} s")
    hand_s, program_s = (statistics.median(way.seconds) for way in ways)
    more_s = program_s - hand_s
    print(f"by hand {hand_s:.2f} s, by program {program_s:.2f} s, {more_s:+.2f} s (budget {BUDGET_S:g} s)")
    return int(more_s > BUDGET_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
