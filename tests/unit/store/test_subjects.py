"""The smaller subjects: services, digests, freezes, tokens, history, outbox, schedule."""

from dataclasses import replace

import pytest

from podup.store import (
    deployments,
    digests,
    freezes,
    outbox,
    schedule,
    services,
    stack_history,
    tokens,
)
from podup.store.db import Connection, IntegrityError
from podup.store.deployments import Deployment
from podup.store.digests import Quarantine
from podup.store.freezes import Freeze
from podup.store.schedule import Tick
from podup.store.services import Attention, Service
from podup.store.stack_history import StackEntry
from podup.store.tokens import Token

WEB = Service("web.service", "web", "quadlet", 10.0, image="ghcr.io/a/b:1", details={"ports": [80]})


def test_a_look_at_the_machine_keeps_what_the_registry_told(cx: Connection) -> None:
    services.put(cx, WEB)
    services.put(cx, replace(WEB, unit="old.service", slug="old"))
    assert services.change(cx, "web.service", remote_digest="sha256:r", update_state="update_available")
    seen = replace(WEB, seen_at=20.0, running_digest="sha256:l", health="healthy")
    assert services.discovered(cx, [seen, replace(WEB, unit="new.service", slug="new")]) == ["old.service"]
    web = services.get(cx, "web.service")
    assert web is not None
    assert (web.running_digest, web.remote_digest, web.update_state) == (
        "sha256:l", "sha256:r", "update_available",
    )  # fmt: skip
    assert (web.found_at, web.seen_at, web.details) == (10.0, 20.0, {"ports": [80]})
    assert services.discovered(cx, [], unseen=("quadlet",)) == []
    assert services.by_slug(cx, "new").unit == "new.service"  # type: ignore[union-attr]
    assert [item.unit for item in services.all_known(cx)] == ["new.service", "web.service"]
    assert not services.change(cx, "none.service", health="x")
    with pytest.raises(ValueError):
        services.change(cx, "web.service", found_at=1.0)


def test_what_waits_for_an_operator_keeps_its_first_time(cx: Connection) -> None:
    services.mark_needs_operator(cx, Attention("web.service", "rollback failed", 1.0, "t1"))
    services.mark_needs_operator(cx, Attention("web.service", "again", 2.0, "t2"))
    assert services.needing_operator(cx) == {"web.service": Attention("web.service", "again", 1.0, "t2")}
    assert services.mark_well(cx, "web.service")
    assert not services.mark_well(cx, "web.service")


def test_a_digest_is_first_seen_once(cx: Connection) -> None:
    assert digests.see(cx, "a:1", "sha256:x", now_s=5.0) == 5.0
    assert digests.see(cx, "a:1", "sha256:x", now_s=9.0) == 5.0
    assert digests.first_seen(cx, "a:1") == {"sha256:x": 5.0}
    assert digests.delete_unseen(cx, 9.0, limit=5) == 0
    assert digests.delete_unseen(cx, 10.0, limit=5) == 1


def test_a_quarantine_holds_until_released_and_can_come_again(cx: Connection) -> None:
    bad = Quarantine("web.service", "sha256:bad", "crash loop", 1.0, "a:1", "t1")
    digests.quarantine(cx, bad)
    digests.quarantine(cx, replace(bad, reason="other", since=2.0))
    assert digests.held(cx, "web.service", "sha256:bad") == bad
    assert digests.held(cx, "db.service", "sha256:bad") is None
    assert digests.release(cx, target="web.service", digest="sha256:b", by="ann", now_s=3.0) == 1
    assert digests.held(cx, "web.service", "sha256:bad") is None
    assert digests.quarantined(cx) == []
    assert digests.quarantined(cx, target="web.service", with_released=True)[0].released_by == "ann"
    digests.quarantine(cx, replace(bad, since=4.0))
    assert digests.held(cx, "web.service", "sha256:bad") == replace(bad, since=4.0)


def test_a_freeze_of_everything_holds_for_all_and_the_own_one_speaks_first(cx: Connection) -> None:
    freezes.freeze(cx, Freeze("", 1.0, "holidays"))
    freezes.freeze(cx, Freeze("web.service", 2.0, "audit"))
    freezes.freeze(cx, Freeze("web.service", 9.0, "audit goes on"))
    assert freezes.frozen(cx, "web.service") == Freeze("web.service", 2.0, "audit goes on")
    assert freezes.frozen(cx, "db.service") == Freeze("", 1.0, "holidays")
    assert len(freezes.all_freezes(cx)) == 2
    assert freezes.unfreeze(cx, "")
    assert freezes.frozen(cx, "db.service") is None
    assert not freezes.unfreeze(cx, "")


def test_tokens_hold_until_revoked_or_expired(cx: Connection) -> None:
    token = Token("tok_1", "ci", "hash", ("admin",), 1.0, expires_at=100.0)
    tokens.insert(cx, token)
    assert tokens.find(cx, "hash", now_s=99.0) == token
    assert tokens.find(cx, "hash", now_s=100.0) is None
    assert tokens.find(cx, "other", now_s=1.0) is None
    tokens.used(cx, "tok_1", now_s=50.0)
    tokens.used(cx, "tok_1", now_s=70.0)
    assert tokens.all_tokens(cx)[0].last_used_at == 50.0
    tokens.used(cx, "tok_1", now_s=110.0)
    assert tokens.all_tokens(cx)[0].last_used_at == 110.0
    assert tokens.revoke(cx, "ci", now_s=95.0) == 1
    assert tokens.revoke(cx, "ci", now_s=95.0) == 0
    assert tokens.find(cx, "hash", now_s=99.0) is None
    with pytest.raises(IntegrityError):
        tokens.insert(cx, replace(token, id="tok_2"))


def test_deployments_are_remembered_once_a_task(cx: Connection) -> None:
    ended = [("succeeded", "A"), ("rolled_back", "B"), ("succeeded", "C")]
    for day, (outcome, to) in enumerate(ended):
        made = Deployment("web.service", "deploy", outcome, 86400.0 * day, to_digest=to, task_id=f"t{day}")
        deployments.insert(cx, made)
        deployments.insert(cx, made)
    found, total = deployments.find(cx, target="web.service")
    assert ([item.to_digest for item in found], total) == (["C", "B", "A"], 3)
    assert deployments.find(cx, outcome="rolled_back")[1] == 1
    assert deployments.good_digests(cx, "web.service") == ["C", "A"]
    assert deployments.latest(cx)["web.service"].to_digest == "C"
    assert deployments.latest(cx, ["db.service"]) == {}
    assert deployments.delete_older(cx, 1e9, limit=5, keep_each=1) == 2
    assert deployments.good_digests(cx, "web.service") == ["C"]


def test_the_history_of_a_stack_is_told_newest_first(cx: Connection) -> None:
    facts = [("deploy", "success", "v1"), ("deploy", "fail", "v2"), ("rollback", "success", "v1"),
             ("smoke", "success", "v9")]  # fmt: skip
    for at, (action, status, version) in enumerate(facts, start=1):
        stack_history.insert(cx, StackEntry(float(at), "odoo", action, status, "prod", version))
    found, total = stack_history.find(cx, stack="odoo", per_page=1)
    assert (found[0].action, total) == ("smoke", 4)


def test_a_clock_that_was_ahead_holds_no_message(cx: Connection) -> None:
    outbox.put(cx, "ops", event="failed", message={}, now_s=1e9)
    (message,) = outbox.due(cx, 3.0)
    outbox.failed(cx, message.id, error="timeout", next_try_at=60.0)
    assert outbox.due(cx, 59.0) == []


def test_messages_wait_and_are_retried(cx: Connection) -> None:
    outbox.put(cx, "ops", event="failed", message={"unit": "web"}, now_s=1.0)
    outbox.put(cx, "mail", event="failed", message={}, now_s=2.0)
    outbox.put(cx, "ops", event="other", message={}, now_s=3.0)
    first = outbox.due(cx, 3.0)[0]
    assert (first.message, outbox.next_due(cx)) == ({"unit": "web"}, 1.0)
    outbox.failed(cx, first.id, error="timeout", next_try_at=60.0)
    assert first.id not in [message.id for message in outbox.due(cx, 59.0)]
    outbox.sent(cx, first.id, now_s=60.0)
    outbox.failed(cx, outbox.due(cx, 60.0)[0].id, error="gone", next_try_at=None)
    assert len(outbox.due(cx, 100.0)) == 1
    assert outbox.delete_older(cx, 100.0, limit=5) == 2
    assert len(outbox.recent(cx)) == 1


def test_repeated_failures_are_one_incident_and_one_recovery(cx: Connection) -> None:
    assert [outbox.fail_again(cx, "web", now_s=at).count for at in (1.0, 2.0)] == [1, 2]
    assert outbox.incidents(cx)[0].opened_at == 1.0
    ended = outbox.recover(cx, "web")
    assert ended is not None
    assert (ended.opened_at, ended.last_at, ended.count) == (1.0, 2.0, 2)
    assert outbox.recover(cx, "web") is None


def test_ticks_are_remembered(cx: Connection) -> None:
    assert schedule.tick(cx, "scheduler") is None
    schedule.set_tick(cx, Tick("scheduler", 1.0, 901.0))
    schedule.set_tick(cx, Tick("scheduler", 2.0, 902.0, "3 units"))
    assert schedule.tick(cx, "scheduler") == Tick("scheduler", 2.0, 902.0, "3 units")
