"""Pruning says what it would do, does it in small steps, and leaves what is young or alive."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from podup.core.states import Status, Trigger
from podup.host.simulator.clock import ManualClock
from podup.store import deliveries, deployments, digests, events, image_locks, limits, tasks
from podup.store.db import Connection, Database
from podup.store.deliveries import Delivery
from podup.store.deployments import Deployment
from podup.store.events import Event
from podup.store.retention import DAY_S, Ages, Pruned, outlook, prune
from podup.store.tasks import Ending, Task

NOW_S = 1000 * DAY_S


def fill(db: Database) -> None:
    with db.write() as cx:
        for name, age_days in (("old", 2), ("young", 0), ("living", 9)):
            at = NOW_S - age_days * DAY_S
            tasks.insert(cx, Task(name, "service", at, Trigger("api")))
            image_locks.acquire_all(cx, [f"unit:{name}"], owner=name, now_s=at)
            limits.record(cx, f"image:{name}", now_s=at)
            if name != "living":
                tasks.finish(cx, name, Ending(Status.SUCCEEDED), now=at)
        events.insert(cx, [Event(NOW_S - 31 * DAY_S) for _ in range(250)] + [Event(NOW_S)])
        row = Delivery("", NOW_S - 8 * DAY_S, "web.service", "h", "accepted")
        for number in range(250):
            deliveries.insert(cx, replace(row, id=f"d{number}"))
        digests.see(cx, "a:1", "sha256:x", now_s=1.0)
        for number in range(25):
            deployments.insert(cx, Deployment("web.service", "deploy", "succeeded", float(number)))


def test_the_outlook_is_what_then_happens(db: Database) -> None:
    fill(db)
    with db.read() as cx:
        ahead = outlook(cx, Ages(), now_s=NOW_S)
    assert ahead == Pruned(("old",), ("unit:old", "unit:young"), 2, 2, 250, 250)
    clock = ManualClock(NOW_S - 1000)
    assert prune(db, Ages(), clock) == replace(ahead, history=6)
    assert clock.now() > NOW_S + 0.3
    assert prune(db, Ages(), clock) == Pruned()
    with db.read() as cx:
        assert tasks.get(cx, "old") is None
        assert tasks.get(cx, "young") is not None
        assert [lock.owner for lock in image_locks.held(cx)] == ["living"]


def test_when_the_time_is_up_the_rest_is_left_for_the_next_time(db: Database) -> None:
    fill(db)
    clock = ManualClock(NOW_S - 1000)
    times = [prune(db, Ages(), clock, for_s=0.1) for _ in range(20)]
    assert sum(one.events for one in times) == sum(one.deliveries for one in times) == 250
    assert not times[0].is_all and times[-1] == Pruned()


class SlowDisk:
    """A store whose transactions take `row_s` for each row that went, and moving them as long again.

    After `worse_after` of both everything takes ten times as long.
    """

    def __init__(self, db: Database, clock: ManualClock, *, row_s: float, worse_after: int = -1) -> None:
        self.held_s: list[float] = []
        self._db, self._clock, self._row_s, self._worse_after = db, clock, row_s, worse_after
        self._owed_s = 0.0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._db.write() as cx:
            before = cx.total_changes
            yield cx
            self._owed_s = (cx.total_changes - before) * self._row_s
        self._hold()

    def checkpoint(self) -> None:
        self._db.checkpoint()
        self._hold()

    def _hold(self) -> None:
        self.held_s.append(self._owed_s)
        self._clock.sleep(self._owed_s)
        if len(self.held_s) == self._worse_after:
            self._row_s *= 10


def fill_log(db: Database, count: int) -> None:
    for _ in range(0, count, 500):
        with db.write() as cx:
            events.insert(cx, [Event(1.0, path="/x" * 50) for _ in range(500)])
        db.checkpoint()
    with db.write() as cx:
        events.insert(cx, [Event(NOW_S)])


@pytest.mark.parametrize("row_s", [0.00001, 0.0001, 0.001])
def test_nobody_waits_long_for_a_step_however_slow_the_disk(db: Database, row_s: float) -> None:
    fill_log(db, 1000)
    clock = ManualClock(NOW_S)
    disk = SlowDisk(db, clock, row_s=row_s)
    begun_s = clock.monotonic()
    assert prune(disk, Ages(), clock).events == 1000
    assert max(disk.held_s) < 0.0101
    assert sum(disk.held_s) <= (clock.monotonic() - begun_s) / 2


def test_steps_become_smaller_when_the_disk_becomes_slower(db: Database) -> None:
    fill_log(db, 4000)
    clock = ManualClock(NOW_S)
    disk = SlowDisk(db, clock, row_s=0.00004, worse_after=20)
    prune(disk, Ages(), clock)
    assert max(disk.held_s) > 0.05
    assert sum(held_s > 0.0101 for held_s in disk.held_s) < 10


def test_pruning_moves_what_it_wrote_so_that_no_webhook_has_to(db: Database) -> None:
    fill_log(db, 10_000)
    log = db.path.with_name(db.path.name + "-wal")
    prune(db, Ages(), ManualClock(NOW_S))
    assert 0 < log.stat().st_size < 2_000_000  # a commit that finds it at 4 MB would move it all


def test_a_log_that_a_reader_held_is_used_again_when_it_has_gone(db: Database) -> None:
    fill_log(db, 10_000)
    log = db.path.with_name(db.path.name + "-wal")
    clock = ManualClock(NOW_S)
    with db.read() as cx:
        assert events.count_older(cx, NOW_S) == 10_000
        prune(db, Ages(), clock, for_s=1.0)
    held = log.stat().st_size
    prune(db, Ages(), clock)
    assert log.stat().st_size <= held + 1_000_000
    with db.read() as cx:
        assert events.count_older(cx, NOW_S) == 0
