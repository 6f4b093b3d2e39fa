"""The index of tasks: queue, life and listings."""

import pytest

from podup.core.states import Status, Trigger
from podup.store import tasks
from podup.store.db import Connection, IntegrityError
from podup.store.tasks import Ending, Task, TaskFilter


def task(name: str, **values: object) -> Task:
    base = {"id": name, "kind": "service", "created_at": 100.0, "trigger": Trigger("api", caller="ann")}
    return Task(**{**base, **values})  # type: ignore[arg-type]


def add(cx: Connection, *items: Task) -> None:
    for item in items:
        tasks.insert(cx, item)


def ids(found: list[Task]) -> list[str]:
    return [item.id for item in found]


def test_a_task_comes_back_as_it_was_put(cx: Connection) -> None:
    trigger = Trigger("webhook", "req_1", "/github-package-update/web", "ghcr", "push")
    put = task("a", trigger=trigger, params={"n": [1]}, locks=("unit:web",), dry_run=True, not_before=5.5)
    add(cx, put)
    assert tasks.get(cx, "a") == put
    assert tasks.get(cx, "b") is None
    with pytest.raises(IntegrityError):
        add(cx, put)


def test_the_queue_is_in_order_of_submission_and_leaves_out_what_waits(cx: Connection) -> None:
    add(cx, task("b", unit="x"), task("a"), task("later", not_before=500.0), task("batch", kind="batch"))
    assert ids(tasks.pending(cx, 200.0)) == ["b", "a"]
    assert ids(tasks.pending(cx, 500.0)) == ["b", "a", "later"]
    assert ids(tasks.pending(cx, 200.0, limit=1)) == ["b"]
    assert tasks.next_due(cx, 200.0) == 500.0
    assert tasks.next_due(cx, 500.0) is None


def test_a_task_runs_once_and_ends_once(cx: Connection) -> None:
    add(cx, task("a", before_digest="sha256:old"))
    assert tasks.mark_running(cx, "a", 110.0)
    assert not tasks.mark_running(cx, "a", 111.0)
    assert ids(tasks.running(cx)) == ["a"]
    tasks.describe(cx, "a", phase="pull", message="1 of 3")
    good = Ending(Status.SUCCEEDED, summary="done", after_digest="sha256:new")
    assert tasks.finish(cx, "a", good, now=120.0)
    assert not tasks.finish(cx, "a", Ending(Status.FAILED), now=121.0)
    tasks.describe(cx, "a", message="too late")
    ended = tasks.get(cx, "a")
    assert ended is not None
    assert (ended.status, ended.summary) == ("succeeded", "done")
    assert (ended.started_at, ended.finished_at) == (110.0, 120.0)
    assert (ended.before_digest, ended.after_digest, ended.message) == ("sha256:old", "sha256:new", "1 of 3")
    assert tasks.running(cx) == tasks.alive(cx) == []


def test_a_status_that_does_not_fit_the_end_is_refused(cx: Connection) -> None:
    add(cx, task("a"))
    with pytest.raises(IntegrityError):
        tasks.finish(cx, "a", Ending(Status.RUNNING), now=1.0)


def test_a_postponed_task_waits_again(cx: Connection) -> None:
    add(cx, task("a", not_before=300.0))
    assert tasks.pending(cx, 200.0) == []
    tasks.mark_running(cx, "a", 300.0)
    assert tasks.mark_pending(cx, "a", not_before=400.0)
    assert ids(tasks.pending(cx, 400.0)) == ["a"]


def test_a_clock_that_was_ahead_holds_no_task(cx: Connection) -> None:
    add(cx, task("a", created_at=1e9, not_before=1e9))
    assert ids(tasks.pending(cx, 200.0)) == ["a"]
    tasks.mark_running(cx, "a", 200.0)
    tasks.mark_pending(cx, "a", not_before=300.0)
    assert tasks.pending(cx, 200.0) == []


def test_stopping_a_batch_reaches_its_living_children_and_keeps_the_first_time(cx: Connection) -> None:
    add(cx, task("p", kind="batch"), task("c1", parent_id="p"), task("c2", parent_id="p"), task("other"))
    tasks.finish(cx, "c2", Ending(Status.SKIPPED), now=1.0)
    assert tasks.request_stop(cx, "p", 50.0)
    assert tasks.request_stop(cx, "p", 60.0)
    assert [child.stop_requested_at for child in tasks.children(cx, "p")] == [50.0, None]
    assert tasks.get(cx, "other").stop_requested_at is None  # type: ignore[union-attr]
    assert not tasks.request_stop(cx, "c2", 60.0, force=True)
    assert tasks.children(cx, "") == []


def test_listings_are_newest_first_filtered_and_counted(cx: Connection) -> None:
    add(cx, *(task(f"t{n}", created_at=float(n), unit="web" if n % 2 else "db") for n in range(10)))
    add(cx, task("child", created_at=20.0, parent_id="t1"))
    found, total = tasks.find(cx, TaskFilter(), page=2, per_page=3)
    assert (ids(found), total) == (["t7", "t6", "t5"], 11)
    found, total = tasks.find(cx, TaskFilter(unit="web", start=3.0, end=9.0, top_only=True))
    assert (ids(found), total) == (["t7", "t5", "t3"], 3)
    assert tasks.find(cx, TaskFilter(status=(Status.FAILED, Status.CANCELLED)))[1] == 0
    assert tasks.find(cx, TaskFilter(caller="ann", kind="service", source="api"), page=99) == ([], 11)


def test_pruning_takes_ended_tasks_and_batches_after_their_children(cx: Connection) -> None:
    add(cx, task("p", kind="batch"), task("c", parent_id="p"), task("old"), task("new"))
    for name, when in (("p", 10.0), ("old", 20.0), ("new", 90.0)):
        tasks.finish(cx, name, Ending(Status.SUCCEEDED), now=when)
    assert tasks.finished_before(cx, 50.0, limit=10) == ["old"]
    assert tasks.delete(cx, ["old", "c"]) == 1
    tasks.finish(cx, "c", Ending(Status.FAILED), now=30.0)
    assert tasks.finished_before(cx, 50.0, limit=10) == ["p", "c"]
