"""The event log: batches, filters with exact totals, export, counts instead of floods."""

import pytest

from podup.store import events
from podup.store.db import Connection, Database
from podup.store.events import Event, EventFilter


def fill(db: Database, count: int) -> None:
    made = [
        Event(
            float(number), f"req_{number}", "POST", f"/github-package-update/u{number % 10}",
            503 if number % 1000 == 7 else 202, "webhook", 3, {"n": number}, "t" if number == 5 else "",
        )
        for number in range(count)
    ]  # fmt: skip
    with db.write() as cx:
        events.insert(cx, made)


def numbers(found: list[Event]) -> list[int]:
    return [event.meta["n"] for event in found]


@pytest.mark.parametrize("count", [40, 12_000])
def test_every_filter_gives_the_newest_first_and_an_exact_total(db: Database, count: int) -> None:
    fill(db, count)
    cases: list[tuple[EventFilter, list[int]]] = [
        (EventFilter(), list(range(count))),
        (EventFilter(status=202), [n for n in range(count) if n % 1000 != 7]),
        (EventFilter(status=503, action="webhook"), [n for n in range(count) if n % 1000 == 7]),
        (EventFilter(path="/github-package-update/u3"), [n for n in range(count) if n % 10 == 3]),
        (EventFilter(path="/github-package-update/"), list(range(count))),
        (EventFilter(path="/github-package-update/", status=503), [n for n in range(count) if n % 1000 == 7]),
        (EventFilter(request_id="req_9"), [9]),
        (EventFilter(task_id="t"), [5]),
        (EventFilter(start=10.0, end=20.0), list(range(10, 20))),
        (EventFilter(action="none"), []),
    ]
    with db.read() as cx:
        for wanted, expected in cases:
            expected.reverse()
            for page in (1, 2):
                found, total = events.find(cx, wanted, page=page, per_page=7)
                assert (numbers(found), total) == (expected[(page - 1) * 7 : page * 7], len(expected)), wanted
        assert events.last_id(cx) == count
        assert numbers(events.after(cx, 3, limit=2)) == [3, 4]


@pytest.mark.parametrize("newest", ["/a", "/hooks/web", "/z"])
def test_the_total_of_a_prefix_is_exact_whether_most_rows_fit_or_few(db: Database, newest: str) -> None:
    paths = ["/a", "/z", *(f"/hooks/u{number}" for number in range(8))]
    rows = [Event(float(number), path=paths[number % 10]) for number in range(12_000)]
    with db.write() as cx:
        events.insert(cx, [*rows, *(Event(12_000.0, path=newest) for _ in range(600))])
        events.delete_older(cx, 1000.0, now_s=1e9, limit=1000)
        kept = [row.path for row in rows[1000:]] + [newest] * 600
        for prefix in ("/hooks/", "/", "/hooks/u3", "/a", "/nowhere"):
            _, total = events.find(cx, EventFilter(path=prefix))
            assert total == sum(path.startswith(prefix) for path in kept), prefix


def test_the_export_has_every_row_once_also_those_of_one_moment(db: Database) -> None:
    with db.write() as cx:
        events.insert(cx, [Event(1.0, meta={"n": number}) for number in range(2500)])
    found = [number for chunk in events.export(db, EventFilter()) for number in numbers(chunk)]
    assert found == list(range(2499, -1, -1))
    assert list(events.export(db, EventFilter(action="none"))) == []


def test_pruning_goes_oldest_first_in_chunks(db: Database) -> None:
    fill(db, 100)
    with db.write() as cx:
        gone = [events.delete_older(cx, 50.0, now_s=100.0, limit=30) for _ in range(3)]
        assert gone == [30, 20, 0]
        assert events.find(cx, EventFilter())[1] == 50


def test_a_clock_that_was_wrong_once_keeps_nothing_for_ever(db: Database) -> None:
    with db.write() as cx:
        events.insert(cx, [Event(ts) for ts in (1e12, 1e12, 10.0, 11.0, 1e12, 0.0, 90.0, 1e12, 95.0)])
        assert [events.delete_older(cx, 50.0, now_s=100.0, limit=4) for _ in range(3)] == [4, 2, 0]
        assert numbers_of(cx) == [95.0, 1e12, 90.0]
        assert events.delete_older(cx, -1e9, now_s=0.0, limit=4) == 0


def test_the_newest_row_stays_so_that_no_number_is_given_twice(db: Database) -> None:
    with db.write() as cx:
        events.insert(cx, [Event(1.0), Event(2.0)])
        assert events.count_older(cx, 50.0) == 1
        assert events.delete_older(cx, 50.0, now_s=100.0, limit=30) == 1
        events.insert(cx, [Event(3.0)])
        assert events.last_id(cx) == 3


def numbers_of(cx: Connection) -> list[float]:
    found, _ = events.find(cx, EventFilter())
    return [event.ts for event in sorted(found, key=lambda event: -event.id)]


def test_a_flood_is_one_row_a_minute_and_kind(db: Database) -> None:
    with db.write() as cx:
        events.add_counts(cx, {"probe": 5, "static": 0}, now_s=119.0)
        events.add_counts(cx, {"probe": 7, "unauthorized": 1}, now_s=61.0)
        events.add_counts(cx, {"probe": 1}, now_s=120.0)
        assert events.counts_since(cx, 60.0) == [
            (60.0, "probe", 12), (60.0, "unauthorized", 1), (120.0, "probe", 1),
        ]  # fmt: skip
        assert [events.delete_counts(cx, 120.0, limit=1) for _ in range(3)] == [1, 1, 0]
