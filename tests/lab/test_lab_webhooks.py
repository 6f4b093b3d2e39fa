"""What the webhook route answers to requests that are not a good push, asked of the running program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from labkit.commands import eventually
from labkit.daemon import SECRET, TOKEN, Daemon, daemon_running
from labkit.services import Service, launch, running_image_id, services_made
from labkit.webhooks import Delivery, deliver, package_event, request, send

Make = Callable[..., Service]
DIGEST = "sha256:" + "0" * 64
FOR_ADMINS = [
    *(("GET", path) for path in (
        "/api/tasks", "/api/tasks/tsk_0000000000000000", "/api/events", "/api/deploy-history",
        "/api/manual/services", "/api/scheduler", "/api/stacks", "/api/stacks/web", "/api/self-update",
        "/api/version/check", "/sse/events", "/sse/task-logs?task_id=tsk_0000000000000000",
    )),
    *(("POST", path) for path in (
        "/api/tasks/tsk_0000000000000000/stop", "/api/manual/trigger", "/api/manual/deploy",
        "/api/manual/services/web", "/api/manual/services/web/rollback", "/api/scheduler/tick",
        "/api/stacks/web/deploy", "/api/self-update/run", "/api/self-update/rollback",
    )),
]


@pytest.fixture(scope="module")
def new_service(registry: str) -> Iterator[Make]:
    with services_made(registry) as make:
        yield make


@pytest.fixture(scope="module")
def web(new_service: Make) -> Service:
    """One for all: none of these requests may change it."""
    return launch(new_service())


@pytest.fixture(scope="module")
def daemon(web: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_running(tmp_path_factory.mktemp("daemon") / "state", {}) as running:
        yield running


def published(service: Service, secret: str = SECRET) -> Delivery:
    return deliver(service.unit, package_event(service.image, DIGEST), secret)


def test_a_wrong_signature_is_refused_and_its_body_kept(web: Service, daemon: Daemon) -> None:
    before = running_image_id(web)
    delivery = published(web, "not the secret")
    answer = send(daemon.url, delivery)
    assert answer.status == 401
    assert answer.headers["x-request-id"]
    kept = daemon.state / "last_payload.bin"
    eventually("its body is kept", lambda: kept.exists() and kept.read_bytes() == delivery.body)
    assert kept.stat().st_mode & 0o077 == 0
    assert SECRET not in daemon.journal() + str(answer.body)
    assert running_image_id(web) == before


def test_a_missing_signature_is_refused(web: Service, daemon: Daemon) -> None:
    delivery = published(web)
    unsigned = {name: value for name, value in delivery.headers.items() if name != "X-Hub-Signature-256"}
    assert send(daemon.url, replace(delivery, headers=unsigned)).status == 401


def test_a_changed_body_is_refused(web: Service, daemon: Daemon) -> None:
    delivery = published(web)
    assert send(daemon.url, replace(delivery, body=delivery.body.replace(b"0000", b"1111", 1))).status == 401


def test_a_ping_is_answered(web: Service, daemon: Daemon) -> None:
    hello = deliver(web.unit, {"zen": "Keep it logically awesome.", "hook_id": 1}, SECRET, event="ping")
    assert send(daemon.url, hello).status == 200


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("push", {"ref": "refs/heads/main"}),
        ("package", package_event("ghcr.io/acme/web:latest", DIGEST, action="deleted")),
    ],
)
def test_other_events_are_ignored_with_a_reason(
    web: Service, daemon: Daemon, event: str, payload: dict[str, object]
) -> None:
    answer = send(daemon.url, deliver(web.unit, payload, SECRET, event=event))
    assert answer.status == 202
    assert "ignored" in str(answer.body)


def test_another_tag_does_not_match(web: Service, daemon: Daemon) -> None:
    before = running_image_id(web)
    other = package_event(web.image.replace(":latest", ":nightly"), DIGEST)
    answer = send(daemon.url, deliver(web.unit, other, SECRET))
    assert answer.status == 202
    assert "mismatch" in str(answer.body)
    assert running_image_id(web) == before


def test_an_unknown_unit_is_refused(web: Service, daemon: Daemon) -> None:
    event = package_event(web.image, DIGEST)
    assert send(daemon.url, deliver("nobody.service", event, SECRET)).status == 404


@pytest.mark.parametrize(("method", "path"), FOR_ADMINS)
def test_without_a_token_nothing_is_told_or_done(daemon: Daemon, method: str, path: str) -> None:
    body = b"{}" if method == "POST" else None
    answer = request(f"{daemon.url}{path}", body, {"Content-Type": "application/json"}, method=method)
    assert answer.status == 401, answer
    assert SECRET not in str(answer) and TOKEN not in str(answer)


def test_somebody_elses_token_is_none(daemon: Daemon) -> None:
    guessed = {"Authorization": "Bearer somebody-elses-token-0123456789"}
    assert request(f"{daemon.url}/api/tasks", headers=guessed).status == 401


@pytest.mark.parametrize("path", ["/last_payload.bin", "/data/pod-upgrade-trigger.db", "/..%2fdaemon.lock"])
def test_the_state_directory_is_not_served(daemon: Daemon, path: str) -> None:
    assert request(f"{daemon.url}{path}").status in (400, 401, 404)


def test_a_wrong_method_and_an_unknown_path(daemon: Daemon) -> None:
    assert request(f"{daemon.url}/github-package-update/web", method="DELETE").status == 405
    assert request(f"{daemon.url}/no-such-thing").status == 404
