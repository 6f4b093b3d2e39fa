"""Webhooks a second against the peer, Debian's `webhook` (Go) with the same signature rule and `/bin/true`.

    python3 bench/server.py [--rounds 3] [--scale 1.0] [--program FILE.pyz] [--json FILE]

Rounds are interleaved, the medians compared, because the machine's other work hits both then. The peer
answers after its command and keeps nothing; ours after the commit of delivery and event. Exit 1 when a
promise is not kept.
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


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of load and what is promised for it: times the peer's rate, and of its p99 (0: nothing)."""

    name: str
    options: tuple[str, ...]
    requests: int
    least_rate: float
    most_p99: float = 0.0
    slow_syncs: bool = False


_KEEP = ("--clients=64", "--mode=keep")
SCENES = (
    Scene("keep-alive, 64 clients", _KEEP, 3000, 3.0, 0.6),
    Scene("new connection each, 64 clients", ("--clients=64", "--mode=new"), 2500, 2.2, 0.6),
    Scene("one client", ("--clients=1", "--mode=keep"), 600, 1.5),
    Scene("bad signatures, 64 clients", (*_KEEP, "--bad"), 4000, 8.0),
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
        for kind in ("peer", "ours") if number % 2 == 0 else ("ours", "peer"):
            for is_slow in (False, True):
                scenes = [scene for scene in SCENES if scene.slow_syncs is is_slow]
                for scene, found in _round(kind, scenes, scale, program):
                    seen.setdefault((scene.name, kind), []).append(found)
    rows = [scene for scene in SCENES if (scene.name, "ours") in seen]
    return [_row(scene, seen[scene.name, "peer"], seen[scene.name, "ours"]) for scene in rows]


def _round(
    kind: str, scenes: Sequence[Scene], scale: float, program: Sequence[str]
) -> list[tuple[Scene, dict[str, Any]]]:
    directory = Path(tempfile.mkdtemp(prefix="podup-bench-"))
    preload = slow_syncs(directory) if scenes[0].slow_syncs else ""
    if scenes[0].slow_syncs and not preload:
        return []  # no compiler here
    server = Peer(directory) if kind == "peer" else Ours(directory, program=program, preload=preload)
    try:
        return [(scene, measure(server, scene, scale)) for scene in scenes]
    finally:
        server.stop()
        shutil.rmtree(directory)


def _row(scene: Scene, peer: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    middle = {
        f"{who}_{what}": statistics.median(run[what] for run in runs)
        for who, runs in (("peer", peer), ("ours", ours))
        for what in ("rate", "p50_ms", "p99_ms", "processor_us", "resident_mb")
    }
    rate = middle["ours_rate"] / middle["peer_rate"]
    p99 = middle["ours_p99_ms"] / middle["peer_p99_ms"]
    kept = rate >= scene.least_rate and (not scene.most_p99 or p99 <= scene.most_p99)
    statuses = {"peer": peer[-1]["statuses"], "ours": ours[-1]["statuses"]}
    ratios = {"rate_ratio": round(rate, 2), "p99_ratio": round(p99, 2), "kept": kept}
    return {"scene": scene.name, **middle, **ratios, "statuses": statuses}


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
