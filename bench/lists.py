"""Measures listings, the dispatcher's queries and pruning on a database of a busy year.

    python3 bench/lists.py [--events 1000000] [--tasks 100000] [--dir DIR]

Bounds: a first page in 20 ms, any filter in 100 ms, and no write waits more than 100 ms while old rows are
pruned. Exit 1 when one is missed. The best of five counts; the processor's time is shown beside it, because
other work on the machine makes the first longer.
"""

import argparse
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from podup.clock import SystemClock
from podup.core.states import Status, new_id
from podup.files import FileLock
from podup.records import replace
from podup.store import deliveries, events, tasks
from podup.store.db import Connection, Database
from podup.store.events import EventFilter
from podup.store.migrations import open_current
from podup.store.retention import Ages, Pruned, prune
from podup.store.tasks import TaskFilter

START = 1.7e9
UNITS = [f"svc{number}.service" for number in range(40)]
PATHS = ["/auto-update", *(f"/github-package-update/svc{number}" for number in range(40))]
PARAMS = '{"unit":"web.service","image":"ghcr.io/owner/name:1.2.3"}'
SUMMARY = "deployed ghcr.io/owner/name:1.2.3 in 12 s, healthy"
NEVER_S = 1e12
PRUNE_S = 4.0
ACTIONS = ["webhook", "trigger", "auto-update", "scheduler-tick", "ignored"]


class FixedNow(SystemClock):
    """The machine's clock, but for the date."""

    def __init__(self, now_s: float) -> None:
        self._now_s = now_s

    def now(self) -> float:
        return self._now_s


def build(db: Database, event_count: int, task_count: int) -> None:
    draw = random.Random(1)

    def event_rows() -> Iterator[tuple[object, ...]]:
        for number in range(event_count):
            status = draw.choices([202, 200, 401, 429, 503], [900, 50, 30, 19, 1])[0]
            task = f"tsk_{number:016x}" if number % 3 == 0 else ""
            request = new_id("req", draw.randbytes, START + number)
            meta = f'{{"delivery":"{number:032x}","reason":"tag mismatch"}}'
            path, action = draw.choice(PATHS), draw.choice(ACTIONS)
            yield START + number, request, "POST", path, status, action, 3, meta, task

    def task_rows() -> Iterator[tuple[object, ...]]:
        for number in range(task_count):
            at = START + number * 10
            status = draw.choices(["succeeded", "failed", "skipped", "rolled_back"], [80, 5, 14, 1])[0]
            name, unit = f"tsk_{number:016x}", draw.choice(UNITS)
            yield name, "service", status, SUMMARY, "webhook", "github", unit, PARAMS, at, at + 20, "[]"

    with db.alone() as cx:
        cx.execute("BEGIN")
        cx.executemany(
            "INSERT INTO event_log (ts, request_id, method, path, status, action, duration_ms, meta, task_id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            event_rows(),
        )
        cx.executemany(
            "INSERT INTO tasks (id, kind, status, summary, source, caller, unit, params, created_at,"
            " finished_at, locks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            task_rows(),
        )
        cx.execute(
            "INSERT INTO deliveries (id, received_at, target, delivery_id, body_hash, outcome, task_id)"
            " SELECT 'dlv_' || id, created_at, unit, hex(randomblob(16)), hex(randomblob(32)), 'accepted', id"
            " FROM tasks"
        )
        cx.execute("COMMIT")


def queries(last: float) -> list[tuple[str, float, Callable[[Connection], object]]]:
    """Return name, bound in ms and query."""

    def event(name: str, bound: float, page: int = 1, **wanted: object) -> tuple[str, float, Callable]:
        found = EventFilter(**wanted)  # type: ignore[arg-type]
        return (f"events {name}", bound, lambda cx: events.find(cx, found, page=page))

    def task(name: str, bound: float, page: int = 1, **wanted: object) -> tuple[str, float, Callable]:
        found = TaskFilter(**wanted)  # type: ignore[arg-type]
        return (f"tasks {name}", bound, lambda cx: tasks.find(cx, found, page=page))

    return [
        event("first page", 20),
        event("page 5000", 100, page=5000),
        event("common status", 100, status=202),
        event("rare status", 100, status=503),
        event("no match", 100, action="none"),
        event("action", 100, action="webhook"),
        event("status and action", 100, status=401, action="webhook"),
        event("path of one unit", 100, path="/github-package-update/svc7"),
        event("path of all units", 100, path="/github-package-update/"),
        event("path and rare status", 100, path="/github-package-update/", status=503),
        event("request id", 20, request_id="req_0000000000000000"),
        event("task id", 20, task_id="tsk_0000000000000300"),
        event("last day", 100, start=last - 86400),
        task("first page", 20),
        task("status", 100, status=(Status.FAILED,)),
        task("status and unit", 100, status=(Status.FAILED, Status.ROLLED_BACK), unit="svc3.service"),
        task("unit", 100, unit="svc3.service"),
        task("caller", 100, caller="github"),
        task("top only", 100, top_only=True),
        task("page 1000", 100, page=1000),
        ("tasks pending", 1, lambda cx: tasks.pending(cx, last)),
        ("tasks running", 1, tasks.running),
        ("deliveries first page", 20, lambda cx: deliveries.find(cx)),
        ("deliveries of a unit", 100, lambda cx: deliveries.find(cx, target="svc3.service")),
        ("deliveries last times", 100, deliveries.last_times),
        ("deliveries same", 1, lambda cx: deliveries.find_same(
            cx, "svc3.service", delivery_id="none", body_hash="none", since_s=0)),
    ]  # fmt: skip


def best_ms(db: Database, query: Callable[[Connection], object]) -> tuple[float, float]:
    """Return the shortest of five runs on the wall and on the processor."""
    runs = []
    for _ in range(5):
        with db.read() as cx:
            begin, cpu = time.perf_counter(), time.thread_time()
            query(cx)
            runs.append(((time.perf_counter() - begin) * 1000, (time.thread_time() - cpu) * 1000))
    return min(run[0] for run in runs), min(run[1] for run in runs)


def longest_wait_ms(db: Database, ages: Ages, now_s: float) -> tuple[float, Pruned]:
    """Prune as the daemon does while small writes ask for their turn; return the longest, and what went."""
    gone = Pruned()

    def work() -> None:
        nonlocal gone
        gone = prune(db, ages, FixedNow(now_s), for_s=PRUNE_S)

    thread = threading.Thread(target=work)
    thread.start()
    longest = 0.0
    while thread.is_alive():
        begin = time.perf_counter()
        with db.write() as cx:
            cx.execute("INSERT OR REPLACE INTO schedule (last_at, name, note) VALUES (0, 'bench', 'x')")
        longest = max(longest, (time.perf_counter() - begin) * 1000)
        time.sleep(0.01)
    thread.join()
    return longest, gone


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--dir", default=None)
    args = parser.parse_args()
    missed = 0

    def report(name: str, value: float, bound: float) -> None:
        nonlocal missed
        missed += value > bound
        verdict = "MISSED" if value > bound else ""
        print(f"{name:38} {value:8.2f} ms   bound {bound:4.0f}   {verdict}", flush=True)

    with tempfile.TemporaryDirectory(dir=args.dir) as name, FileLock(Path(name) / "lock") as lock:
        path = Path(name) / "bench.db"
        db, _ = open_current(path, lock=lock, version="9.9.9", now=1.0, backups=Path(name))
        begin = time.monotonic()
        build(db, args.events, args.tasks)
        db.close()  # a log of the database's own size would be cut by the first write, in 200 ms
        db, _ = open_current(path, lock=lock, version="9.9.9", now=1.0, backups=Path(name))
        print(f"built in {time.monotonic() - begin:.1f} s, {path.stat().st_size >> 20} MiB")
        for query_name, bound, query in queries(START + args.events):
            wall, cpu = best_ms(db, query)
            report(f"{query_name} ({cpu:.1f} cpu)", wall, bound)
        now_s = START + args.events
        whole = Ages(tasks_s=NEVER_S, events_s=NEVER_S, deliveries_s=NEVER_S, history_s=NEVER_S)
        prunes = [
            ("events", replace(whole, events_s=args.events / 2)),
            ("deliveries", replace(whole, deliveries_s=0)),
            ("tasks", replace(whole, tasks_s=0)),
        ]
        for subject, ages in prunes:
            wait, gone = longest_wait_ms(db, ages, now_s)
            count = getattr(gone, subject)
            count = count if isinstance(count, int) else len(count)
            report(f"write, {count} {subject} pruned", wait, 100)
        db.close()
    print(f"peak resident {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
