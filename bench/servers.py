"""The two servers that are compared: the peer, and the program itself as it is shipped.

Ours is the daemon, with a Quadlet file for one unit that a freeze holds: a delivery is checked, stored and
answered as always, its task waits, and every later push joins it. What the host would have to tell
(systemctl, podman) comes from two small scripts before it on the PATH.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from load import IMAGE, SECRET, UNIT

from podup.files import FileLock
from podup.store import freezes
from podup.store.freezes import Freeze
from podup.store.migrations import open_current

HERE = Path(__file__).resolve().parent
_START_S = 20.0


class Peer:
    """Debian's `webhook` with the same signature rule, `/bin/true`, answering after the command."""

    name = "webhook"
    path = "/hooks/update"

    def __init__(self, directory: Path) -> None:
        rule = {
            "type": "payload-hmac-sha256",
            "secret": SECRET,
            "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
        }
        hook = {
            "id": "update",
            "execute-command": "/bin/true",
            "include-command-output-in-response": True,
            "http-methods": ["POST"],
            "success-http-response-code": 202,
            "trigger-rule-mismatch-http-response-code": 401,
            "trigger-rule": {"match": rule},
        }
        hooks = directory / "hooks.json"
        hooks.write_text(json.dumps([hook]))
        self.port = free_port()
        argv = ["webhook", "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(self.port)]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid
        _wait_until(lambda: can_connect(self.port), "the peer listens")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


class Ours:
    """The daemon on a state directory below `directory`; made once, started and ended any number of times.

    `program` is what python runs (`-m podup`, or a built file); `preload` a library for the dynamic linker;
    with `listener` the daemon serves that socket, as under systemd.
    """

    name = "podup"
    path = f"/github-package-update/{UNIT}"

    def __init__(
        self,
        directory: Path,
        *,
        program: Sequence[str] = ("-m", "podup"),
        preload: str = "",
        listener: socket.socket | None = None,
    ) -> None:
        self.port = int(listener.getsockname()[1]) if listener else free_port()
        self.state = directory / "state"
        self.database = self.state / "data" / "pod-upgrade-trigger.db"
        self._log = directory / "daemon.log"
        self._argv = [sys.executable, *program, "http-server"]
        self._listener = listener
        self._environment = {
            "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
            "PYTHONPATH": str(HERE.parent),
            "PODUP_STATE_DIR": str(self.state),
            "PODUP_CONTAINER_DIR": str(directory / "quadlets"),
            "PODUP_GH_WEBHOOK_SECRET": SECRET,
            "PODUP_HTTP_ADDR": f"127.0.0.1:{self.port}",
            **({"LD_PRELOAD": preload} if preload else {}),
        }
        _write_host(directory)
        self._freeze()
        self.start()

    def start(self) -> None:
        """Start the daemon; returns when it knows its unit."""
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._argv if self._listener is None else _activated(self._argv, self._listener),
                env=self._environment,
                stderr=log,
                pass_fds=() if self._listener is None else (self._listener.fileno(),),
            )
        self.pid = self._process.pid
        _wait_until(lambda: can_connect(self.port) and self._knows_unit(), f"it serves: {self._log}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; return the exit code."""
        self._process.send_signal(number)
        return self._process.wait()

    def stop(self) -> None:
        """End it."""
        self.end()

    def delivery_ids(self) -> set[str]:
        """Return the senders' ids of what the database holds."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as cx:
            return {row[0] for row in cx.execute("SELECT delivery_id FROM deliveries")}

    def _knows_unit(self) -> bool:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as cx:
            row = cx.execute("SELECT image FROM services WHERE unit = ?", (UNIT,)).fetchone()
        return row is not None and row[0] != ""

    def _freeze(self) -> None:
        self.state.mkdir()
        now = time.time()
        lock = FileLock(self.state / "daemon.lock", what="bench")
        lock.acquire()
        database, _ = open_current(
            self.database, lock=lock, version="0", now=now, backups=self.state / "backups"
        )
        with database.write() as cx:
            freezes.freeze(cx, Freeze(UNIT, now, "the bench", "bench"))
        database.close()
        lock.release()


def _write_host(directory: Path) -> None:
    """Write what the daemon finds on its host: one Quadlet unit, no containers."""
    text = f"[Container]\nImage={IMAGE}:latest\n"
    unit = f"[X-Container]\nImage={IMAGE}:latest\n[Service]\nExecStart=podman run --rm {IMAGE}:latest\n"
    source = directory / "quadlets" / UNIT.replace(".service", ".container")
    (directory / "bin").mkdir()
    source.parent.mkdir()
    source.write_text(text)
    shown = f"# /run/{UNIT}\n{unit}"
    says = {"systemctl": f'case "$*" in *" cat "*) cat <<END\n{shown}END\n;; esac\n', "podman": "echo '[]'\n"}
    for name, script in says.items():
        path = directory / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)


def _activated(argv: Sequence[str], listener: socket.socket) -> list[str]:
    """Return a command that runs `argv` with the listener as systemd passes it: number 3, with LISTEN_PID."""
    script = f'exec 3<&{listener.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
    return ["bash", "-c", script, "activated", *argv]


def slow_syncs(directory: Path) -> str:
    """Build the library that makes every sync 10 ms slower; empty without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return ""
    target = directory / "slow_sync.so"
    source = HERE / "slow_sync.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(target), str(source), "-ldl"], check=True)
    return str(target)


def processor_s(pid: int) -> float:
    """Return the processor time of a process and of its children that have ended (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return what a process holds in memory (proc(5), VmRSS)."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line)
    return int(line.split()[1]) / 1024


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def can_connect(port: int) -> bool:
    """Return whether somebody listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(is_so: Callable[[], bool], what: str) -> None:
    for _ in range(int(_START_S / 0.05)):
        if is_so():
            return
        time.sleep(0.05)
    raise RuntimeError(f"waited too long until {what}")
