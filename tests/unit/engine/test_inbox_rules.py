"""What becomes of a webhook, on a real database: every rule, and the task it leads to."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from podup.core.secrets import Secret
from podup.core.signatures import sign
from podup.core.states import Status
from podup.engine.inbox import Inbox, InboxRules, Knock, Reply
from podup.engine.intake import Intake, Intent
from podup.errors import Invalid, PodupError, Unauthorized, Unavailable
from podup.files import FileLock
from podup.recipes.service_goal import ServiceParams
from podup.store import deliveries, digests, services, tasks
from podup.store.db import Database
from podup.store.digests import Quarantine
from podup.store.migrations import open_current
from podup.store.services import Service
from podup.store.tasks import Ending

SECRET, OLD_SECRET = Secret("a-long-secret"), Secret("the-one-before")
DIGEST = "sha256:" + "d" * 64


class Clock:
    now_s = 1000.0

    def now(self) -> float:
        return self.now_s


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with FileLock(tmp_path / "daemon.lock") as lock:
        opened, _ = open_current(
            tmp_path / "podup.db", lock=lock, version="0.1.0", now=1000.0, backups=tmp_path / "backups"
        )
        with opened.write() as cx:
            for unit, image in (("web.service", "ghcr.io/acme/web:latest"), ("bare.service", "")):
                services.put(cx, Service(unit, unit.removesuffix(".service"), "podman", 1000.0, image))
        yield opened
        opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(clock: Clock) -> Inbox:
    numbers = count(1)

    def random_bytes(size: int) -> bytes:
        return next(numbers).to_bytes(size, "big")

    def intent_of(service: Service) -> Intent:
        return Intent("deploy", ServiceParams(service.unit), service.unit, service.image)

    rules = InboxRules((SECRET, OLD_SECRET), {"own.service": (Secret("own-secret"),)}, 3, 60.0, intent_of)
    return Inbox(rules, Intake(clock, random_bytes), clock, random_bytes=random_bytes)  # type: ignore[arg-type]


def body(*, tag: str = "latest", name: str = "web", salt: str = "", **changes: Any) -> bytes:
    version = {"version": DIGEST, "container_metadata": {"tag": {"name": tag, "digest": DIGEST}}}
    package = {
        "name": name,
        "package_type": "CONTAINER",
        "owner": {"login": "Acme"},
        "registry": {"url": "https://ghcr.io/acme"},
        "package_version": version,
    }
    return json.dumps({"action": "published", "package": package, "salt": salt, **changes}).encode()


def knock(data: bytes, *, delivery_id: str = "", unit: str = "web", **changes: Any) -> Knock:
    values: dict[str, Any] = {
        "event": "package",
        "delivery_id": delivery_id,
        "signature": sign(data, SECRET),
        "content_type": "application/json",
    }
    return Knock(unit, data, **{**values, **changes})


def send(inbox: Inbox, db: Database, wanted: Knock) -> Reply:
    checked = inbox.check(wanted)
    with db.write() as cx:
        return inbox.accept(cx, checked)


def end(db: Database, task_id: str, status: Status, code: str = "") -> None:
    with db.write() as cx:
        tasks.mark_running(cx, task_id, 1001.0)
        tasks.finish(cx, task_id, Ending(status, code), now=1002.0)


@pytest.mark.parametrize(("code", "status"), [("up-to-date", 200), ("pulls-at-start", 202)])
def test_a_redelivery_of_what_a_rule_refused_is_a_new_attempt(
    inbox: Inbox, db: Database, code: str, status: int
) -> None:
    first = send(inbox, db, knock(body(), delivery_id="d1"))
    end(db, first.task_id, Status.SKIPPED, code)
    again = send(inbox, db, knock(body(), delivery_id="d1"))
    assert again.status == status
    assert (again.task_id == first.task_id) is (status == 200)


def test_a_signed_push_of_the_units_image_becomes_a_task(inbox: Inbox, db: Database) -> None:
    reply = send(inbox, db, knock(body(), delivery_id="d1"))
    assert reply.status == 202 and reply.body["status"] == "accepted"
    with db.read() as cx:
        task = tasks.get(cx, reply.task_id)
        rows, total = deliveries.find(cx)
    assert task is not None and (task.kind, task.unit) == ("deploy", "web.service")
    assert task.trigger.source == "webhook"
    assert total == 1 and rows[0].task_id == reply.task_id
    assert rows[0].rules[-1].rule == "task"


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ("", "signature-missing"),
        ("sha256=short", "signature-malformed"),
        ("sha256=" + "0" * 64, "signature-mismatch"),
    ],
)
def test_a_bad_signature_is_refused_and_leaves_no_row(
    inbox: Inbox, db: Database, signature: str, code: str
) -> None:
    with pytest.raises(Unauthorized) as caught:
        send(inbox, db, knock(body(), signature=signature))
    assert caught.value.code == code
    with db.read() as cx:
        assert deliveries.find(cx)[1] == 0


def test_the_secret_before_a_rotation_still_counts(inbox: Inbox, db: Database) -> None:
    data = body()
    assert send(inbox, db, knock(data, signature=sign(data, OLD_SECRET))).status == 202


def test_a_units_own_secret_replaces_the_common_one(inbox: Inbox) -> None:
    with pytest.raises(Unauthorized):
        inbox.check(knock(body(), unit="own"))


def test_without_any_secret_it_says_what_to_do(clock: Clock) -> None:
    rules = InboxRules((), {}, 3, 60.0, lambda service: Intent("deploy", None))
    bare = Inbox(rules, Intake(clock, bytes), clock, random_bytes=bytes)  # type: ignore[arg-type]
    with pytest.raises(Unavailable) as caught:
        bare.check(knock(body()))
    assert "PODUP_GH_WEBHOOK_SECRET" in caught.value.hint


def test_a_ping_is_answered(inbox: Inbox, db: Database) -> None:
    data = b'{"zen": "Keep it simple.", "hook_id": 1}'
    assert send(inbox, db, knock(data, event="ping")).body == {"status": "pong"}


def test_a_body_that_is_no_json_is_invalid(inbox: Inbox) -> None:
    with pytest.raises(Invalid):
        inbox.check(knock(b"not json"))


@pytest.mark.parametrize(
    ("data", "event", "reason"),
    [
        (body(action="deleted"), "package", "action-not-handled"),
        (b'{"ref": "refs/heads/main"}', "push", "event-not-handled"),
        (body(tag="v1"), "package", "tag mismatch"),
        (body(name="other"), "package", "tag mismatch"),
    ],
)
def test_what_is_none_of_our_business_is_ignored_with_the_reason(
    inbox: Inbox, db: Database, data: bytes, event: str, reason: str
) -> None:
    reply = send(inbox, db, knock(data, event=event))
    assert (reply.status, reply.body["status"], reply.body["reason"]) == (202, "ignored", reason)
    assert not reply.task_id


def test_an_unknown_unit_is_not_found(inbox: Inbox, db: Database) -> None:
    reply = send(inbox, db, knock(body(), unit="nobody"))
    assert reply.status == 404 and isinstance(reply.error, PodupError)


def test_a_unit_whose_image_is_unknown_is_refused(inbox: Inbox, db: Database) -> None:
    reply = send(inbox, db, knock(body(), unit="bare"))
    assert reply.error is not None and reply.error.code == "image-unknown"


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCEEDED, Status.SKIPPED])
def test_the_same_again_is_a_duplicate(inbox: Inbox, db: Database, status: Status) -> None:
    first = send(inbox, db, knock(body(), delivery_id="d1"))
    if status.is_final:
        end(db, first.task_id, status, "up-to-date")
    again = send(inbox, db, knock(body(), delivery_id="another-id"))
    assert (again.status, again.body["status"], again.task_id) == (200, "duplicate", first.task_id)
    assert "digest" in again.body["reason"]


def test_one_delivery_id_for_another_body_is_the_same_event(inbox: Inbox, db: Database) -> None:
    first = send(inbox, db, knock(body(), delivery_id="d1"))
    again = send(inbox, db, knock(body(salt="x"), delivery_id="d1"))
    assert again.body["status"] == "duplicate" and again.body["task_id"] == first.task_id


def test_after_a_failure_it_is_a_new_attempt(inbox: Inbox, db: Database) -> None:
    first = send(inbox, db, knock(body(), delivery_id="d1"))
    end(db, first.task_id, Status.FAILED)
    again = send(inbox, db, knock(body(), delivery_id="d1"))
    assert again.status == 202 and again.task_id not in ("", first.task_id)


def test_after_a_roll_back_it_is_skipped_as_quarantined(inbox: Inbox, db: Database) -> None:
    first = send(inbox, db, knock(body(), delivery_id="d1"))
    end(db, first.task_id, Status.ROLLED_BACK)
    again = send(inbox, db, knock(body(), delivery_id="d1"))
    assert (again.status, again.body["reason"]) == (202, "quarantined")


def test_a_quarantined_digest_is_skipped_whoever_pushes_it(inbox: Inbox, db: Database) -> None:
    with db.write() as cx:
        digests.quarantine(cx, Quarantine("web.service", DIGEST, "exits at once", 999.0))
    reply = send(inbox, db, knock(body()))
    assert reply.body["status"] == "skipped" and "exits at once" in str(reply.body["reason"])


def test_several_pushes_before_the_first_begins_are_one_task(inbox: Inbox, db: Database) -> None:
    replies = [send(inbox, db, knock(body(salt=str(number)))) for number in range(3)]
    assert len({reply.task_id for reply in replies}) == 1


def test_too_many_pushes_of_one_image_are_told_when_to_come_back(
    inbox: Inbox, db: Database, clock: Clock
) -> None:
    for number in range(3):
        end(db, send(inbox, db, knock(body(salt=str(number)))).task_id, Status.SUCCEEDED)
        clock.now_s += 1
    reply = send(inbox, db, knock(body(salt="one too many")))
    assert reply.error is not None and (reply.status, reply.error.retry_after_s) == (429, 57)
    clock.now_s += 60
    assert send(inbox, db, knock(body(salt="later"))).status == 202


def test_a_generic_sender_enters_the_same_inbox(inbox: Inbox, db: Database) -> None:
    data = b'{"image": "ghcr.io/acme/web"}'
    wanted = Knock("web", data, generic_signature=sign(data, SECRET))
    assert send(inbox, db, wanted).body["status"] == "accepted"
