"""Webhooks a second against the peer, Debian's `webhook` (Go) with the same signature rule and `/bin/true`.

    python3 bench/server.py [--rounds 3] [--scale 1.0] [--json FILE]

Rounds are interleaved, the medians compared. The peer keeps nothing; ours answers after the commit.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import SECRET

HERE = Path(__file__).resolve().parent
ENV = {**os.environ, "PYTHONPATH": str(HERE.parent)}


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of load and what is promised for it: times the peer's rate, and of its p99."""

    name: str
    options: tuple[str, ...]
    requests: int
    least_rate: float = 0.0
    most_p99: float = 0.0


SCENES = (
    Scene("keep-alive, 64 clients", ("--clients=64", "--mode=keep"), 4000, 3.0, 0.6),
    Scene("new connection each, 64 clients", ("--clients=64", "--mode=new"), 2500, 2.2, 0.6),
    Scene("one client", ("--clients=1", "--mode=keep"), 800, 1.5, 0.0),
    Scene("bad signatures, 64 clients", ("--clients=64", "--mode=keep", "--bad"), 4000),
)


class Peer:
    """The `webhook` program."""

    name = "webhook"
    path = "/hooks/update"

    def __init__(self, state: Path) -> None:
        rule = {
            "type": "payload-hmac-sha256",
            "secret": SECRET,
            "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
        }
        hook = {
            "id": "update",
            "execute-command": "/bin/true",
            "http-methods": ["POST"],
            "success-http-response-code": 202,
            "trigger-rule-mismatch-http-response-code": 401,
            "trigger-rule": {"match": rule},
        }
        hooks = state / "hooks.json"
        hooks.write_text(json.dumps([hook]))
        self.port = _free_port()
        argv = ["webhook", "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(self.port)]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self._process.pid
        _wait_for(self.port)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Ours:
    """`bench/target.py`."""

    name = "podup"
    path = "/github-package-update/web.service"

    def __init__(self, state: Path) -> None:
        argv = [sys.executable, str(HERE / "target.py"), str(state / "state")]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=ENV, text=True)
        if self._process.stdout is None:
            raise RuntimeError("no pipe")
        self.pid = self._process.pid
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.communicate()


def measure(server: Peer | Ours, scene: Scene, scale: float) -> dict[str, Any]:
    """Run one scene in a process of its own."""
    count = max(100, int(scene.requests * scale))
    argv = [sys.executable, str(HERE / "load.py"), f"--port={server.port}", f"--path={server.path}"]
    argv += [f"--requests={count}", *scene.options]
    before = _processor_s(server.pid)
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=ENV)
    found: dict[str, Any] = json.loads(done.stdout)
    found["processor_us"] = round((_processor_s(server.pid) - before) / count * 1e6)
    return found


def _processor_s(pid: int) -> float:
    """Return the processor time of a process and of its children that have ended (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def compare(rounds: int, scale: float) -> list[dict[str, Any]]:
    """Return one row a scene with the medians and their ratios."""
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number in range(rounds):
        for kind in (Peer, Ours) if number % 2 == 0 else (Ours, Peer):
            state = Path(tempfile.mkdtemp(prefix="podup-bench-"))
            server = kind(state)
            try:
                for scene in SCENES:
                    seen.setdefault((scene.name, server.name), []).append(measure(server, scene, scale))
            finally:
                server.stop()
                shutil.rmtree(state)
    return [_row(scene, seen[scene.name, Peer.name], seen[scene.name, Ours.name]) for scene in SCENES]


def _row(scene: Scene, peer: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    middle = {
        f"{who}_{what}": statistics.median(run[what] for run in runs)
        for who, runs in (("peer", peer), ("ours", ours))
        for what in ("rate", "p50_ms", "p99_ms", "processor_us")
    }
    rate = middle["ours_rate"] / middle["peer_rate"]
    p99 = middle["ours_p99_ms"] / middle["peer_p99_ms"]
    kept = rate >= scene.least_rate and (not scene.most_p99 or p99 <= scene.most_p99)
    statuses = {"peer": peer[-1]["statuses"], "ours": ours[-1]["statuses"]}
    ratios = {"rate_ratio": round(rate, 2), "p99_ratio": round(p99, 2), "kept": kept}
    return {"scene": scene.name, **middle, **ratios, "statuses": statuses}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the peer did not start")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of requests")
    parser.add_argument("--json", type=Path, help="write the rows there")
    args = parser.parse_args()
    if shutil.which("webhook") is None:
        print("the peer is missing: apt-get install webhook", file=sys.stderr)
        return 2
    rows = compare(args.rounds, args.scale)
    print(f"{'scene':34}{'peer/s':>9}{'ours/s':>9}{'ratio':>7}{'p99 ms':>16}{'ratio':>7}{'cpu us':>14}")
    for row in rows:
        p99 = f"{row['peer_p99_ms']:.1f} / {row['ours_p99_ms']:.1f}"
        line = f"{row['scene']:34}{row['peer_rate']:>9.0f}{row['ours_rate']:>9.0f}{row['rate_ratio']:>7.2f}"
        cpu = f"{row['peer_processor_us']:.0f} / {row['ours_processor_us']:.0f}"
        said = "" if row["kept"] else "  below the promise"
        print(f"{line}{p99:>16}{row['p99_ratio']:>7.2f}{cpu:>14}{said}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2))
    return 0 if all(row["kept"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
