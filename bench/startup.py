"""How long the built program takes to answer, as a ratio to a bare interpreter: the best a host can do.

Prints one line a command: the least time of many runs (the machine's noise only ever adds), the least of
processor time, and the ratio of each to `python3 -I -c pass`, the system's own where that can run the
program. Other work on the machine makes a start take longer, but hardly costs it more processor time.
`http-server` is the time until /livez answers over TCP, with a new state directory, and `first http-server`
the same of the first start a user ever makes, when each module has to be compiled.
Exits 1 when a budget is exceeded. Usage: bench/startup.py [FILE.pyz] [RUNS]
"""

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = {"--version": 1.6, "--help": 2.6, "completion bash": 0.0, "settings": 0.0, "run-task --help": 0.0}
READY, READY_BUDGET, READY_WITHIN_S = "http-server", 10.0, 30.0
FIRST = f"first {READY}"
NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"


class Cost(NamedTuple):
    """What a start took, in milliseconds."""

    wall: float
    cpu: float


NEVER = Cost(float("inf"), float("inf"))


def main(arguments: list[str]) -> int:
    """Measure and print; return 1 when a budget is exceeded."""
    program = arguments[0] if arguments else str(ROOT / "dist" / "pod-upgrade-trigger.pyz")
    runs = int(arguments[1]) if len(arguments) > 1 else 20
    bare = (python(), "-I")
    commands = {words: [*bare, program, *words.split()] for words in BUDGETS}
    with tempfile.TemporaryDirectory() as home:
        first = ready([*bare, program], home)
        best = least({"": [*bare, "-c", "pass"], **commands}, [*bare, program], home, runs)
    best[FIRST] = first
    one = best[""]
    sys.stdout.write(f"{'bare interpreter':20} {one.wall:7.1f} ms {'':8} processor {one.cpu:7.1f} ms\n")
    exceeded = False
    for words, budget in {**BUDGETS, READY: READY_BUDGET, FIRST: 0.0}.items():
        took = best[words]
        ratio, cpu_ratio = took.wall / one.wall, took.cpu / one.cpu
        exceeded |= bool(budget) and ratio > budget
        said = f"  budget {budget}x{' EXCEEDED' if ratio > budget else ''}" if budget else ""
        cpu = f"processor {took.cpu:7.1f} ms {cpu_ratio:6.2f}x"
        sys.stdout.write(f"{words:20} {took.wall:7.1f} ms {ratio:6.2f}x  {cpu}{said}\n")
    return 1 if exceeded else 0


def python() -> str:
    """Return the system's interpreter, which the installed program meets, else the one that runs this."""
    found = shutil.which("python3", path=os.defpath)
    if found and subprocess.run([found, "-I", "-c", NEW_ENOUGH], check=False).returncode == 0:
        return found
    return sys.executable


def least(
    commands: dict[str, list[str]], program: list[str], home: str, runs: int
) -> dict[str, Cost]:
    """Return the least of each command; they take turns, so a slow spell hits all of them."""
    best = dict.fromkeys([*commands, READY], NEVER)
    env = {"PATH": os.defpath, "HOME": home}
    for _ in range(runs):
        for name, argv in commands.items():
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)
            wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            best[name] = lesser(best[name], Cost(wall * 1000, cpu * 1000))
        best[READY] = lesser(best[READY], ready(program, home))
    return best


def lesser(one: Cost, other: Cost) -> Cost:
    return Cost(min(one.wall, other.wall), min(one.cpu, other.cpu))


def ready(program: list[str], home: str) -> Cost:
    """Return what it takes from the start of a daemon of this user until it answers /livez."""
    with tempfile.TemporaryDirectory() as place, socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        address = held.getsockname()
        env = {"PATH": os.defpath, "HOME": home, "XDG_RUNTIME_DIR": place}
        env |= {"PODUP_STATE_DIR": f"{place}/state", "PODUP_HTTP_ADDR": f"127.0.0.1:{address[1]}"}
        held.close()
        started = time.perf_counter()
        daemon = subprocess.Popen([*program, "http-server"], env=env, stderr=subprocess.DEVNULL)
        try:
            while not is_alive(address):
                if daemon.poll() is not None or time.perf_counter() - started > READY_WITHIN_S:
                    raise SystemExit("startup: the daemon does not answer")
                time.sleep(0.001)
            return Cost((time.perf_counter() - started) * 1000, processor_ms(daemon.pid))
        finally:
            daemon.terminate()
            daemon.wait()


def processor_ms(pid: int) -> float:
    """Return the processor time a process has used, all its threads together (proc(5), schedstat)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e6


def is_alive(address: tuple[str, int]) -> bool:
    """Tell whether /livez answers 200 there."""
    try:
        with socket.create_connection(address, timeout=5) as link:
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return link.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
