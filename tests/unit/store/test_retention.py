"""Pruning says what it would do, does it in small steps, and leaves what is young or alive."""

from dataclasses import replace

from podup.core.states import Status, Trigger
from podup.store import deliveries, deployments, digests, events, image_locks, limits, tasks
from podup.store.db import Database
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
    pauses: list[None] = []
    done = prune(db, Ages(), now_s=NOW_S, pause=lambda: pauses.append(None))
    assert done == replace(ahead, history=6)
    assert len(pauses) > 8
    again = prune(db, Ages(), now_s=NOW_S, pause=lambda: None)
    assert again == Pruned()
    with db.read() as cx:
        assert tasks.get(cx, "old") is None
        assert tasks.get(cx, "young") is not None
        assert [lock.owner for lock in image_locks.held(cx)] == ["living"]
