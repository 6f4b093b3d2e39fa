"""A signed push on a real host: a good image goes live, a bad one is taken back and not tried again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from labkit.commands import eventually, steadily
from labkit.daemon import SECRET, Daemon
from labkit.images import Build, push
from labkit.services import (
    PLAIN,
    Service,
    Variation,
    is_active,
    launch,
    monitor_holds,
    running_image_id,
    served_version,
    start,
    systemctl,
    wait_for_version,
)
from labkit.webhooks import Delivery, deliver, package_event, send

Make = Callable[..., Service]
PROBED = Variation(options=("--label=io.podup.probe=tcp://127.0.0.1:{port}",))
DEADLINE_S = 10.0  # PODUP_VERIFY_TIMEOUT_SECS of the daemon under test
UNITS_AT_ONCE = 20


def running_v1(daemon: Daemon, make: Make, variation: Variation = PLAIN) -> Service:
    service = launch(make(variation))
    daemon.look_again()
    return service


def pushed(service: Service, build: Build) -> Delivery:
    digest = push(build, service.image)
    return deliver(service.unit, package_event(service.image, digest), SECRET)


def deploy_by_webhook(daemon: Daemon, delivery: Delivery, *, timeout_s: float = 60.0) -> dict[str, Any]:
    """Send it; the task it led to, once that has ended."""
    answer = send(daemon.url, delivery)
    assert answer.status == 202, answer
    return daemon.wait_for_task(answer.body["task_id"], timeout_s=timeout_s)


def test_a_push_goes_live(daemon: Daemon, new_service: Make) -> None:
    web = running_v1(daemon, new_service)
    task = deploy_by_webhook(daemon, pushed(web, Build("v2")))
    assert task["status"] == "succeeded", task
    assert served_version(web) == "v2"
    assert monitor_holds(web.name, daemon.state) == []


def test_the_same_delivery_again_is_a_duplicate(daemon: Daemon, new_service: Make) -> None:
    web = running_v1(daemon, new_service)
    delivery = pushed(web, Build("v2"))
    deploy_by_webhook(daemon, delivery)
    before = running_image_id(web), systemctl("show", "--property=ExecMainStartTimestamp", web.unit)
    again = send(daemon.url, delivery)
    assert again.status == 200
    assert again.body["status"] == "duplicate"
    assert (running_image_id(web), systemctl("show", "--property=ExecMainStartTimestamp", web.unit)) == before


@pytest.mark.parametrize(
    ("daemon", "behaviour", "variation"),
    [
        pytest.param({}, "exits", PLAIN, id="exits at once"),
        pytest.param({}, "crashes", Variation(restart="always"), id="crash-loops"),
        pytest.param({}, "unhealthy", PLAIN, id="healthcheck fails"),
        pytest.param(
            {"PODUP_VERIFY_SETTLE_SECS": "6"}, "sickens", PLAIN, id="unhealthy after three seconds"
        ),
        pytest.param({}, "never-ready", PROBED, id="never ready"),
    ],
    indirect=["daemon"],
)
def test_a_bad_image_is_taken_back_and_not_tried_again(
    daemon: Daemon, new_service: Make, behaviour: str, variation: Variation
) -> None:
    web = launch(new_service(variation))
    daemon.look_again()
    good = running_image_id(web)

    answer = send(daemon.url, pushed(web, Build("v2", behaviour)))
    assert answer.status == 202, answer
    eventually("the old version is stopped", lambda: served_version(web) != "v1")
    wait_for_version(web, "v1", timeout_s=DEADLINE_S + 5)
    task = daemon.wait_for_task(answer.body["task_id"])
    assert task["status"] == "rolled_back", task
    assert running_image_id(web) == good
    steadily("the old version answers", lambda: served_version(web) == "v1", for_s=2)

    second = send(daemon.url, pushed(web, Build("v2", behaviour)))
    assert (second.status, second.body["status"]) == (202, "skipped"), second
    assert "quarantined" in second.body["reason"]
    assert running_image_id(web) == good


@pytest.mark.parametrize("daemon", [{"PODUP_VERIFY_TIMEOUT_SECS": "8"}], indirect=True)
def test_a_healthcheck_that_podman_makes_every_five_minutes_is_asked_for(
    daemon: Daemon, new_service: Make
) -> None:
    web = running_v1(daemon, new_service)
    task = deploy_by_webhook(daemon, pushed(web, Build("v2", "seldom-checked")))
    assert task["status"] == "succeeded", task
    assert served_version(web) == "v2"
    task = deploy_by_webhook(daemon, pushed(web, Build("v3", "seldom-checked-bad")))
    assert task["status"] == "rolled_back", task
    wait_for_version(web, "v2")


def test_a_mended_image_is_deployed_after_a_bad_one(daemon: Daemon, new_service: Make) -> None:
    web = running_v1(daemon, new_service)
    assert deploy_by_webhook(daemon, pushed(web, Build("v2", "exits")))["status"] == "rolled_back"
    assert deploy_by_webhook(daemon, pushed(web, Build("v3")))["status"] == "succeeded"
    assert served_version(web) == "v3"


def test_a_unit_that_requires_the_deployed_one_stays_active(daemon: Daemon, new_service: Make) -> None:
    base = running_v1(daemon, new_service)
    needs_base = Variation(unit_lines=(f"Requires={base.unit}", f"After={base.unit}"))
    beside = launch(new_service(needs_base, name="beside"))
    daemon.look_again()
    task = deploy_by_webhook(daemon, pushed(base, Build("v2")))
    assert task["status"] in ("succeeded", "rolled_back"), task
    assert is_active(base.unit)
    eventually("the dependent unit is active", lambda: is_active(beside.unit))


@pytest.mark.parametrize("daemon", [{"PODUP_VERIFY_TIMEOUT_SECS": "60"}], indirect=True)  # as by default
def test_twenty_units_pushed_at_once(daemon: Daemon, new_service: Make) -> None:
    services = [new_service(name="many") for _ in range(UNITS_AT_ONCE)]
    push(Build("v1"), *(service.image for service in services))
    for service in services:
        start(service)
    for service in services:
        wait_for_version(service, "v1", timeout_s=90)
    daemon.look_again()
    digest = push(Build("v2"), *(service.image for service in services))
    deliveries = [deliver(s.unit, package_event(s.image, digest), SECRET) for s in services]

    with ThreadPoolExecutor(UNITS_AT_ONCE) as pool:
        answers = list(pool.map(lambda delivery: send(daemon.url, delivery), deliveries))
    assert {answer.status for answer in answers} == {202}
    tasks = [daemon.wait_for_task(answer.body["task_id"], timeout_s=240) for answer in answers]
    assert [task for task in tasks if task["status"] != "succeeded"] == []
    assert {served_version(service) for service in services} == {"v2"}
    assert daemon.api("/api/image-locks").body["total"] == 0
    assert daemon.api("/api/tasks?per_page=1").body["total"] == UNITS_AT_ONCE
