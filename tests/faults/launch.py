"""Runs the program with a fault at effect N, for tests that need it in a process of its own.

    python3 tests/faults/launch.py --at 12 --do kill PROGRAM [ARGUMENT ...]
    python3 tests/faults/launch.py --count FILE PROGRAM [ARGUMENT ...]

PROGRAM is the .pyz, or the directory that holds the package. `--do` is kill, or the name of an errno (ENOSPC,
EIO, EROFS) that effect N and, with `--on`, all later ones fail with. `--count` writes the effects, one name a
line, as they happen.
"""

import argparse
import errno
import importlib
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--do", default="kill")
    parser.add_argument("--on", action="store_true")
    parser.add_argument("--count", type=Path)
    parser.add_argument("program", type=Path)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    sys.path.insert(0, str(args.program))
    trace = importlib.import_module("podup.files.trace")

    def watcher(call: Any) -> None:
        if args.count:
            with args.count.open("a") as file:
                file.write(f"{call.name}\n")
        if args.at and (call.number == args.at or (args.on and call.number > args.at)):
            if args.do == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(getattr(errno, args.do), os.strerror(getattr(errno, args.do)))

    trace.watch(watcher)
    sys.argv = [str(args.program), *args.arguments]
    if args.program.is_dir():
        runpy.run_module("podup", run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(str(args.program), run_name="__main__")


if __name__ == "__main__":
    main()
