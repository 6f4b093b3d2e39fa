"""How long the built program takes to answer, as a ratio to a bare interpreter: the best a host can do.

Prints one line a command: the least time of many runs (the machine's noise only ever adds) and its ratio to
`python3 -I -S -c pass`; without -S the machine's site-packages are added to both and the ratios are better.
`http-server` is the time until /livez answers over TCP, with a new state directory, and `first http-server`
the same of the first start a user ever makes, when each module has to be compiled.
Exits 1 when a budget is exceeded. Usage: bench/startup.py [FILE.pyz] [RUNS]
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BARE = (sys.executable, "-I", "-S")
BUDGETS = {"--version": 1.6, "--help": 2.6, "completion bash": 0.0, "settings": 0.0, "run-task --help": 0.0}
READY, READY_BUDGET, READY_WITHIN_S = "http-server", 10.0, 30.0
FIRST = f"first {READY}"


def main(arguments: list[str]) -> int:
    """Measure and print; return 1 when a budget is exceeded."""
    program = arguments[0] if arguments else str(ROOT / "dist" / "pod-upgrade-trigger.pyz")
    runs = int(arguments[1]) if len(arguments) > 1 else 20
    commands = {words: [*BARE, program, *words.split()] for words in BUDGETS}
    with tempfile.TemporaryDirectory() as home:
        first_ms = ready_ms(program, home)
        best = least_ms({"": [*BARE, "-c", "pass"], **commands}, program, home, runs)
    best[FIRST] = first_ms
    sys.stdout.write(f"{'bare interpreter':20} {best['']:7.1f} ms\n")
    exceeded = False
    for words, budget in {**BUDGETS, READY: READY_BUDGET, FIRST: 0.0}.items():
        ratio = best[words] / best[""]
        exceeded |= bool(budget) and ratio > budget
        said = f"  budget {budget}x{' EXCEEDED' if ratio > budget else ''}" if budget else ""
        sys.stdout.write(f"{words:20} {best[words]:7.1f} ms  {ratio:5.2f}x{said}\n")
    return 1 if exceeded else 0


def least_ms(commands: dict[str, list[str]], program: str, home: str, runs: int) -> dict[str, float]:
    """Return the least milliseconds of each command; they take turns, so a slow spell hits all of them."""
    best = dict.fromkeys([*commands, READY], float("inf"))
    env = {"PATH": os.defpath, "HOME": home}
    for _ in range(runs):
        for name, argv in commands.items():
            started = time.perf_counter()
            subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)
            best[name] = min(best[name], (time.perf_counter() - started) * 1000)
        best[READY] = min(best[READY], ready_ms(program, home))
    return best


def ready_ms(program: str, home: str) -> float:
    """Return the milliseconds from the start of a daemon of this user until it answers /livez."""
    with tempfile.TemporaryDirectory() as place, socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        address = held.getsockname()
        env = {"PATH": os.defpath, "HOME": home, "XDG_RUNTIME_DIR": place}
        env |= {"PODUP_STATE_DIR": f"{place}/state", "PODUP_HTTP_ADDR": f"127.0.0.1:{address[1]}"}
        held.close()
        started = time.perf_counter()
        daemon = subprocess.Popen(
            [*BARE, program, "http-server"], env=env, stderr=subprocess.DEVNULL
        )
        try:
            while not is_alive(address):
                if daemon.poll() is not None or time.perf_counter() - started > READY_WITHIN_S:
                    raise SystemExit("startup: the daemon does not answer")
                time.sleep(0.001)
            return (time.perf_counter() - started) * 1000
        finally:
            daemon.terminate()
            daemon.wait()


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
