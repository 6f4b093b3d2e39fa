"""How deployments end becomes messages: once for the same failure, once for the recovery, none lost."""

from __future__ import annotations

import threading

from simulated_host import IMAGE, WEB, Host

from podup.core.states import Status, Trigger
from podup.engine.outbox import Notice
from podup.errors import RateLimited, Unavailable
from podup.host.simulator.parts import Fault
from podup.store import outbox


def test_a_deployment_that_is_taken_back_is_told_and_its_mending_too(host: Host) -> None:
    host.machine.push(IMAGE, "v2", "exits")
    assert host.deploy().status is Status.ROLLED_BACK
    host.built.outbox.turn()
    host.machine.push(IMAGE, "v3")
    assert host.deploy().status is Status.SUCCEEDED
    host.built.outbox.turn()
    rolled_back, recovered = host.channel.heard
    assert rolled_back["title"] == f"{WEB} was rolled back"
    assert (rolled_back["event"], recovered["event"]) == ("rolled_back", "recovered")
    assert (recovered["unit"], recovered["failures"]) == (WEB, 1)


def test_the_same_failure_again_is_not_told_again(host: Host) -> None:
    with host.machine.open() as machine:
        machine.registry = "gone"
    assert [host.deploy().status for _ in range(3)] == [Status.FAILED] * 3
    host.built.outbox.turn()
    assert host.channel.events == ["failed"]
    with host.machine.open() as machine:
        machine.registry = "up"
    host.machine.push(IMAGE, "v2")
    host.deploy()
    host.built.outbox.turn()
    assert host.channel.events == ["failed", "recovered"]
    assert host.channel.heard[1]["failures"] == 3


def test_another_bad_image_is_another_failure(host: Host) -> None:
    for version in ("v2", "v3"):
        host.machine.push(IMAGE, version, "exits")
        host.deploy()
    host.built.outbox.turn()
    assert host.channel.events == ["rolled_back", "rolled_back"]


def test_a_failed_rollback_says_that_an_operator_is_needed(host: Host) -> None:
    host.machine.push(IMAGE, "v2", "exits")
    host.machine.fault(Fault("systemctl --user restart", skip=1, times=1))
    assert host.deploy().status is Status.FAILED
    host.built.outbox.turn()
    assert host.channel.events == ["needs_operator"]


def test_a_message_that_cannot_be_sent_is_tried_again_also_after_a_restart(host: Host) -> None:
    host.channel.trouble = Unavailable("away", "the other side is away")
    host.machine.push(IMAGE, "v2", "exits")
    host.deploy()
    assert 29 < host.built.outbox.turn() <= 30
    host.restart()
    host.built.outbox.turn()
    host.channel.trouble = None
    host.built.outbox.turn()
    assert host.channel.heard == []
    host.clock.sleep(31)
    host.built.outbox.turn()
    assert host.channel.events == ["rolled_back"]


def test_the_other_side_may_ask_for_a_longer_pause_and_in_the_end_it_is_given_up(host: Host) -> None:
    host.channel.trouble = RateLimited("slow", "slow down", retry_after_s=120)
    with host.store.write() as cx:
        host.built.outbox.tell(cx, Notice("failed", "a thing", "broke"), now_s=host.clock.now())
    assert 119 < host.built.outbox.turn() <= 120
    for _ in range(30):
        host.clock.sleep(3601)
        host.built.outbox.turn()
    with host.store.read() as cx:
        (message,) = outbox.recent(cx)
    assert (message.tries, message.next_try_at, message.error) == (20, None, "slow down")


def test_a_message_put_in_while_others_are_sent_is_not_forgotten(host: Host) -> None:
    box, done = host.built.outbox, threading.Event()
    sender = threading.Thread(target=lambda: (box.turn(), done.set()), daemon=True)
    with host.store.write() as cx:
        box.tell(cx, Notice("failed", "web.service failed", "why"), now_s=host.clock.now())
        sender.start()
        done.wait(0.1)  # it may look now, when there is nothing to be seen yet
    assert done.wait(10)
    assert box.has_news or host.channel.events == ["failed"]


def test_dry_runs_and_cancelled_tasks_are_no_news(host: Host) -> None:
    with host.machine.open() as machine:
        machine.registry = "gone"
    with host.store.write() as cx:
        intent = host.built.engine.catalogue.deploy(host.service(), dry_run=True)
        host.built.engine.intake.submit(cx, intent, Trigger("cli"))
    host.settle()
    host.built.outbox.turn()
    assert host.channel.heard == []
