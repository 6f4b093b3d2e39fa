"""What tasks hold: all or nothing, and never for ever."""

from podup.core.states import Status, Trigger
from podup.store import image_locks, tasks
from podup.store.db import Connection
from podup.store.tasks import Ending, Task


def buckets(found: list[image_locks.ImageLock]) -> list[str]:
    return [lock.bucket for lock in found]


def test_an_owner_gets_all_or_nothing_and_may_ask_again(cx: Connection) -> None:
    assert image_locks.acquire_all(cx, ["unit:a", "image:x"], owner="t1", now_s=1.0)
    assert not image_locks.acquire_all(cx, ["unit:b", "image:x"], owner="t2", now_s=2.0)
    assert image_locks.acquire_all(cx, ["unit:a"], owner="t1", now_s=3.0)
    assert buckets(image_locks.held(cx)) == ["image:x", "unit:a"]
    assert image_locks.release_owner(cx, "t1") == 2
    assert image_locks.acquire_all(cx, ["unit:b", "image:x"], owner="t2", now_s=4.0)
    assert image_locks.acquire_all(cx, [], owner="t3", now_s=4.0)


def test_an_operator_can_free_one(cx: Connection) -> None:
    image_locks.acquire_all(cx, ["unit:a"], owner="t1", now_s=1.0)
    assert image_locks.release(cx, "unit:a")
    assert not image_locks.release(cx, "unit:a")


def test_the_process_of_an_owner_stands_beside_all_it_holds(cx: Connection) -> None:
    image_locks.acquire_all(cx, ["unit:a", "image:x"], owner="t1", now_s=1.0)
    image_locks.acquire_all(cx, ["unit:b"], owner="t2", now_s=1.0)
    image_locks.set_process(cx, "t1", pid=10, start_time=5, boot_id="b")
    known = {lock.bucket: (lock.pid, lock.start_time, lock.boot_id) for lock in image_locks.held(cx)}
    assert known == {"unit:a": (10, 5, "b"), "image:x": (10, 5, "b"), "unit:b": (0, 0, "")}


def test_locks_of_ended_and_of_unknown_tasks_are_stale(cx: Connection) -> None:
    for name in ("living", "ended"):
        tasks.insert(cx, Task(name, "service", 1.0, Trigger("api")))
    for name in ("living", "ended", "unknown"):
        image_locks.acquire_all(cx, [f"unit:{name}"], owner=name, now_s=1.0)
    tasks.finish(cx, "ended", Ending(Status.SUCCEEDED), now=2.0)
    assert buckets(image_locks.stale(cx)) == ["unit:ended", "unit:unknown"]
