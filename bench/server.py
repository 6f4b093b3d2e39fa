"""Webhooks a second against the peer, Debian's `webhook` (Go) with the same signature rule and `/bin/true`.

    python3 bench/server.py [--rounds 3] [--scale 1.0] [--program FILE.pyz] [--json FILE]

In each round both servers run, and every scene is played to one and then to the other, so what else the
machine does hits both; the medians of the rounds are compared. The peer answers after its command and keeps
nothing; ours after the commit of delivery and event. Exit 1 when a promise is not kept.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from servers import Ours, Peer, processor_s, resident_mb, slow_syncs

HERE = Path(__file__).resolve().parent
ENV = {**os.environ, "PYTHONPATH": str(HERE.parent)}
WARM_UP = 0.2


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of load and what is promised for it: times the peer's rate, and of its p99 (0: nothing).

    `beside` names the scene whose rate of the peer the promise is about, where it is not the same one.
    """

    name: str
    options: tuple[str, ...]
    requests: int
    least_rate: float
    most_p99: float = 0.0
    slow_syncs: bool = False
    beside: str = ""


_KEEP = ("--clients=64", "--mode=keep")
_DELIVERING = "keep-alive, 64 clients"
SCENES = (
    Scene(_DELIVERING, _KEEP, 3000, 3.0, 0.6),
    Scene("new connection each, 64 clients", ("--clients=64", "--mode=new"), 2500, 2.2, 0.6),
    Scene("one client", ("--clients=1", "--mode=keep"), 800, 1.5),
    Scene("bad signatures, 64 clients", (*_KEEP, "--bad"), 6000, 8.0, beside=_DELIVERING),
    Scene("every sync 10 ms slower, 64 clients", _KEEP, 3000, 1.0, slow_syncs=True),
)


def measure(server: Peer | Ours, scene: Scene, scale: float) -> dict[str, Any]:
    """Run one scene from a process of its own."""
    count = max(100, int(scene.requests * scale))
    argv = [sys.executable, str(HERE / "load.py"), f"--port={server.port}", f"--path={server.path}"]
    argv += [f"--requests={count}", *scene.options]
    before = processor_s(server.pid)
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=ENV)
    found: dict[str, Any] = json.loads(done.stdout)
    found["processor_us"] = round((processor_s(server.pid) - before) / count * 1e6)
    found["resident_mb"] = round(resident_mb(server.pid), 1)
    return found


def compare(rounds: int, scale: float, program: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row a scene with the medians and their ratios."""
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number in range(rounds):
        for is_slow in (False, True):
            scenes = [scene for scene in SCENES if scene.slow_syncs is is_slow]
            for name, kind, found in _round(scenes, scale, program, peer_first=number % 2 == 0):
                seen.setdefault((name, kind), []).append(found)
    rows = [scene for scene in SCENES if (scene.name, "ours") in seen]
    return [
        _row(
            scene,
            seen[scene.name, "peer"],
            seen[scene.name, "ours"],
            beside=seen[scene.beside or scene.name, "peer"],
        )
        for scene in rows
    ]


def _round(
    scenes: Sequence[Scene], scale: float, program: Sequence[str], *, peer_first: bool
) -> list[tuple[str, str, dict[str, Any]]]:
    """Play the scenes to both servers, in turns, and return what was found by scene and server."""
    directory = Path(tempfile.mkdtemp(prefix="podup-bench-"))
    servers: dict[str, Peer | Ours] = {}
    try:
        preload = slow_syncs(directory) if scenes[0].slow_syncs else ""
        if scenes[0].slow_syncs and not preload:
            return []  # no compiler here
        servers["peer"] = Peer(directory)
        servers["ours"] = Ours(directory, program=program, preload=preload)
        order = ("peer", "ours") if peer_first else ("ours", "peer")
        for kind in order:
            measure(servers[kind], scenes[0], WARM_UP)  # neither begins cold: code is loaded, files are long
        return [
            (scene.name, kind, measure(servers[kind], scene, scale)) for scene in scenes for kind in order
        ]
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(directory)


def _row(
    scene: Scene, peer: list[dict[str, Any]], ours: list[dict[str, Any]], *, beside: list[dict[str, Any]]
) -> dict[str, Any]:
    middle = {
        f"{who}_{what}": statistics.median(run[what] for run in runs)
        for who, runs in (("peer", peer), ("ours", ours))
        for what in ("rate", "p50_ms", "p99_ms", "processor_us", "resident_mb")
    }
    rate = middle["ours_rate"] / middle["peer_rate"]
    promised = middle["ours_rate"] / statistics.median(run["rate"] for run in beside)
    p99 = middle["ours_p99_ms"] / middle["peer_p99_ms"]
    kept = promised >= scene.least_rate and (not scene.most_p99 or p99 <= scene.most_p99)
    statuses = {"peer": peer[-1]["statuses"], "ours": ours[-1]["statuses"]}
    ratios = {"rate_ratio": round(rate, 2), "promised_ratio": round(promised, 2), "p99_ratio": round(p99, 2)}
    return {"scene": scene.name, **middle, **ratios, "kept": kept, "statuses": statuses}


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(f"{'scene':37}{'peer/s':>8}{'ours/s':>8}{'ratio':>7}{'p99 ms':>16}{'ratio':>7}{'cpu us':>14}")
    for row in rows:
        p99 = f"{row['peer_p99_ms']:.1f} / {row['ours_p99_ms']:.1f}"
        line = f"{row['scene']:37}{row['peer_rate']:>8.0f}{row['ours_rate']:>8.0f}{row['rate_ratio']:>7.2f}"
        cpu = f"{row['peer_processor_us']:.0f} / {row['ours_processor_us']:.0f}"
        said = "" if row["kept"] else "  below the promise"
        print(f"{line}{p99:>16}{row['p99_ratio']:>7.2f}{cpu:>14}{said}")
        print(f"    {row['ours_resident_mb']:.1f} MB; answers {row['statuses']['ours']}")
        if row["promised_ratio"] != row["rate_ratio"]:
            print(f"    {row['promised_ratio']:.2f} times the peer's rate with its command")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of requests")
    parser.add_argument("--program", default="", help="a built file instead of the checkout")
    parser.add_argument("--json", type=Path, help="write the rows there")
    args = parser.parse_args()
    if shutil.which("webhook") is None:
        print("the peer is missing: apt-get install webhook", file=sys.stderr)
        return 2
    rows = compare(args.rounds, args.scale, (args.program,) if args.program else ("-m", "podup"))
    show(rows)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2))
    return 0 if all(row["kept"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
