"""How long the built program takes to answer, as a ratio to a bare interpreter: the best a host can do.

Prints one line a command: the least time of many runs (the machine's noise only ever adds) and its ratio to
`python3 -I -c pass`. Exits 1 when a budget is exceeded. Usage: bench/startup.py [FILE.pyz] [RUNS]
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = {"--version": 1.6, "--help": 2.6, "completion bash": 0.0, "settings": 0.0}


def main(arguments: list[str]) -> int:
    """Measure and print; return 1 when a budget is exceeded."""
    program = arguments[0] if arguments else str(ROOT / "dist" / "pod-upgrade-trigger.pyz")
    runs = int(arguments[1]) if len(arguments) > 1 else 20
    commands = {words: [sys.executable, "-I", program, *words.split()] for words in BUDGETS}
    best = least_ms({"": [sys.executable, "-I", "-c", "pass"], **commands}, runs)
    sys.stdout.write(f"{'bare interpreter':20} {best['']:7.1f} ms\n")
    exceeded = False
    for words, budget in BUDGETS.items():
        ratio = best[words] / best[""]
        exceeded |= bool(budget) and ratio > budget
        said = f"  budget {budget}x{' EXCEEDED' if ratio > budget else ''}" if budget else ""
        sys.stdout.write(f"{words:20} {best[words]:7.1f} ms  {ratio:5.2f}x{said}\n")
    return 1 if exceeded else 0


def least_ms(commands: dict[str, list[str]], runs: int) -> dict[str, float]:
    """Return the least milliseconds of each command; they take turns, so a slow spell hits all of them."""
    best = dict.fromkeys(commands, float("inf"))
    for _ in range(runs):
        for name, argv in commands.items():
            started = time.perf_counter()
            subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
            best[name] = min(best[name], (time.perf_counter() - started) * 1000)
    return best


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
