"""Pushes that come together: one task, one use of the limit, a row for each."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from podup.clock import SystemClock
from podup.core.secrets import Secret
from podup.core.signatures import sign
from podup.engine.inbox import Checked, Inbox, InboxRules, Knock
from podup.engine.intake import Intake, Intent
from podup.errors import Refused
from podup.files import FileLock
from podup.recipes.service_goal import ServiceParams
from podup.store import deliveries, services, tasks
from podup.store.db import Database
from podup.store.migrations import open_current
from podup.store.services import Service

SECRET = Secret("a-secret-of-tests")
IMAGE = "ghcr.io/acme/web"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with FileLock(tmp_path / "daemon.lock") as lock:
        opened, _ = open_current(
            tmp_path / "a.db", lock=lock, version="0", now=1.0, backups=tmp_path / "backups"
        )
        with opened.write() as cx:
            for unit in ("web.service", "updater.service"):
                services.put(cx, Service(unit, unit, "quadlet", 1.0, image=f"{IMAGE}:latest"))
        yield opened
        opened.close()


@pytest.fixture
def inbox() -> Inbox:
    clock = SystemClock()
    count = iter(range(1, 1000))

    def random_bytes(length: int) -> bytes:
        return next(count).to_bytes(length, "big")

    rules = InboxRules((SECRET,), {}, 1, 3600.0, intent_of)
    return Inbox(rules, Intake(clock, random_bytes), clock, random_bytes=random_bytes)


def intent_of(service: Service) -> Intent:
    if service.unit == "updater.service":
        raise Refused("not-deployable", "it is the auto-update unit")
    return Intent("deploy", ServiceParams(service.unit), service.unit, service.image)


def push(inbox: Inbox, number: int, unit: str = "web.service") -> Checked:
    version = {"package_url": f"{IMAGE}:latest", "number": number}
    package = {"package_type": "CONTAINER", "name": "web", "package_version": version}
    body = json.dumps({"action": "published", "package": package}).encode()
    return inbox.check(Knock(unit, body, "package", f"delivery-{number}", sign(body, SECRET)))


def test_pushes_of_one_turn_become_one_task_and_one_deployment_of_the_limit(
    db: Database, inbox: Inbox
) -> None:
    with db.write() as cx:
        replies = inbox.accept_all(cx, [push(inbox, number) for number in range(5)])
    assert [reply.status for reply in replies] == [202] * 5
    assert [reply.is_new for reply in replies] == [True, False, False, False, False]
    assert len({reply.task_id for reply in replies}) == 1
    with db.read() as cx:
        assert len(tasks.alive(cx)) == 1
        assert len(deliveries.for_task(cx, replies[0].task_id)) == 5
        assert [row[0] for row in cx.execute("SELECT bucket FROM rate_hits")] == [f"image:{IMAGE}"]


def test_a_later_push_joins_the_task_that_waits_though_the_limit_is_used_up(
    db: Database, inbox: Inbox
) -> None:
    with db.write() as cx:
        first = inbox.accept(cx, push(inbox, 1))
    with db.write() as cx:
        second = inbox.accept(cx, push(inbox, 2))
        tasks.mark_running(cx, first.task_id, 2.0)
        third = inbox.accept(cx, push(inbox, 3))
    assert (second.task_id, second.is_new) == (first.task_id, False)
    assert third.status == 429


def test_the_same_push_twice_in_a_turn_is_a_duplicate(db: Database, inbox: Inbox) -> None:
    with db.write() as cx:
        first, again = inbox.accept_all(cx, [push(inbox, 1), push(inbox, 1)])
    assert (first.status, again.status) == (202, 200)
    assert again.body["status"] == "duplicate"


def test_a_unit_that_may_not_be_deployed_does_not_spoil_the_turn_of_others(
    db: Database, inbox: Inbox
) -> None:
    with db.write() as cx:
        refused, taken = inbox.accept_all(cx, [push(inbox, 1, "updater.service"), push(inbox, 2)])
    assert (refused.status, taken.status) == (409, 202)
