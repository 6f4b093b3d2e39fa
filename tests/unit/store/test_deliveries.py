"""The inbox finds the same thing again, and keeps how it ended."""

from dataclasses import replace

from podup.core.states import Status, Trigger
from podup.store import deliveries, tasks
from podup.store.db import Connection
from podup.store.deliveries import Delivery, Rule
from podup.store.tasks import Ending, Task

ONE = Delivery(
    "dlv_1", 100.0, "web.service", "hash1", "accepted", delivery_id="guid1", tags=("1", "latest"),
    rules=(Rule("signature", True, "it matches"),), task_id="t1",
)  # fmt: skip


def add_task(cx: Connection, name: str) -> None:
    tasks.insert(cx, Task(name, "service", 100.0, Trigger("webhook")))


def same(cx: Connection, *, target: str = "web.service", guid: str = "", body: str = "", since: float = 0.0):
    return deliveries.find_same(cx, target, delivery_id=guid, body_hash=body, since_s=since)


def test_a_delivery_comes_back_by_our_id_and_by_the_senders(cx: Connection) -> None:
    deliveries.insert(cx, ONE)
    assert deliveries.get(cx, "dlv_1") == ONE
    assert deliveries.get(cx, "guid1") == ONE
    assert deliveries.get(cx, "") is None


def test_the_same_thing_is_known_by_id_or_body_for_its_target_and_time_only(cx: Connection) -> None:
    deliveries.insert(cx, ONE)
    assert same(cx, guid="guid1", body="other") == ONE
    assert same(cx, guid="other", body="hash1") == ONE
    assert same(cx, target="db.service", guid="guid1", body="hash1") is None
    assert same(cx, guid="guid1", since=100.5) is None
    assert same(cx, guid="", body="") is None


def test_the_newest_attempt_that_led_to_a_task_counts(cx: Connection) -> None:
    for number, task_id in ((1, "t1"), (2, "t2"), (3, "")):
        deliveries.insert(cx, replace(ONE, id=f"dlv_{number}", received_at=100.0 + number, task_id=task_id))
    found = same(cx, guid="guid1", body="hash1")
    assert found is not None
    assert found.task_id == "t2"


def test_how_the_task_ended_outlives_the_task(cx: Connection) -> None:
    add_task(cx, "t1")
    deliveries.insert(cx, ONE)
    assert deliveries.for_task(cx, "t1")[0].task_status is Status.PENDING
    tasks.finish(cx, "t1", Ending(Status.ROLLED_BACK), now=200.0)
    tasks.delete(cx, ["t1"])
    found = same(cx, guid="guid1")
    assert found is not None
    assert found.task_status is Status.ROLLED_BACK


def test_listing_last_times_and_pruning(cx: Connection) -> None:
    for number in range(6):
        outcome = "accepted" if number % 2 else "ignored"
        row = replace(ONE, id=f"d{number}", received_at=float(number), outcome=outcome, task_id="")
        deliveries.insert(cx, row)
    found, total = deliveries.find(cx, target="web.service", outcome="ignored", per_page=2)
    assert ([item.id for item in found], total) == (["d4", "d2"], 3)
    assert deliveries.find(cx)[1] == 6
    assert deliveries.last_times(cx) == {"web.service": {"accepted": 5.0, "ignored": 4.0}}
    assert deliveries.delete_older(cx, 4.0, limit=3) == 3
    assert deliveries.delete_older(cx, 4.0, limit=3) == 1
    assert deliveries.find(cx)[1] == 2
