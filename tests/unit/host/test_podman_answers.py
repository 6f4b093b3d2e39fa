"""Shapes of other Podman releases than the lab's, and what a failed pull means."""

import pytest

from podup.host.podman_answers import (
    health_command,
    pull_error,
    read_container,
    read_image,
    read_listed,
    repository_of,
)
from podup.host.run import Command, Completed
from podup.recipes.health_checks import HealthCheck

REF = "ghcr.io/acme/geoffrey-denied-429@sha256:" + "429" * 20 + "0000"
PULL = Command(("podman", "pull", REF), mutates=True)


def inspected(state: dict, **config) -> dict:
    return {
        "Id": "c" * 64,
        "Name": "web",
        "Image": "a" * 64,
        "State": {"Running": True, "StartedAt": "2026-01-02T03:04:05.678901234Z", **state},
        "Config": config,
    }


CHECK = {"Healthcheck": {"Test": ["CMD-SHELL", "true"]}}


@pytest.mark.parametrize(
    ("state", "config", "health"),
    [
        ({"Healthcheck": {"Status": "healthy"}}, CHECK, "healthy"),  # 3.x
        ({"Health": {"Status": "unhealthy", "Log": [{"Output": "no\n"}]}}, CHECK, "unhealthy"),  # 4.x
        ({"Health": {"Status": "", "Log": None}}, {}, ""),  # 4.x without a check
        ({}, {}, ""),  # 5.x without a check
        ({"Health": None}, CHECK, "starting"),
        ({"Health": {"Status": "stopped"}}, CHECK, "starting"),  # 5.6
        ({"Health": {"Status": "starting"}}, {"Healthcheck": {"Test": ["NONE"]}}, ""),
    ],
)
def test_health_in_all_releases(state: dict, config: dict, health: str) -> None:
    container = read_container(inspected(state, **config))
    assert container.health == health
    assert container.started_at == pytest.approx(1767323045.678901)
    assert container.image_id == "sha256:" + "a" * 64


def test_how_a_check_is_set_and_went() -> None:
    told = {"Test": ["CMD", "true"], "Interval": 300 * 10**9, "StartPeriod": 5 * 10**9, "Retries": 2}
    log = [{"ExitCode": 0, "Output": ""}, {"ExitCode": 1, "Output": "no\n"}]
    state = {"Health": {"Status": "unhealthy", "FailingStreak": 1, "Log": log}}
    assert read_container(inspected(state, Healthcheck=told)).check == HealthCheck(300.0, 5.0, 2, 1, True)
    assert read_container(inspected({}, Healthcheck={"Test": ["CMD", "true"]})).check == HealthCheck()


@pytest.mark.parametrize(
    ("test", "command"),
    [
        (["CMD", "curl", "-f", "localhost"], ("curl", "-f", "localhost")),
        (["CMD-SHELL", "curl -f localhost || exit 1"], ("sh", "-c", "curl -f localhost || exit 1")),
        (["/check", "now"], ("/check", "now")),
        (["NONE"], ()),
        ([], ()),
        (None, ()),
    ],
)
def test_the_command_of_a_check(test: list[str] | None, command: tuple[str, ...]) -> None:
    config = {"Healthcheck": {"Test": test, "Timeout": 2 * 10**9}} if test is not None else {}
    assert health_command(inspected({}, **config)) == (command, 2.0 if command else 0.0)


def test_what_a_container_that_never_ran_lacks() -> None:
    container = read_container({"Id": "c", "Name": "n", "State": {"StartedAt": "0001-01-01T00:00:00Z"}})
    assert (container.started_at, container.running, container.labels) == (0.0, False, ())


def test_names_that_are_digests_are_not_tags() -> None:
    row = {"Id": "a" * 64, "Names": ["ghcr.io/a/b:1", "ghcr.io/a/b@sha256:00", "<none>:<none>"], "Created": 7}
    assert read_image(row).names == ("ghcr.io/a/b:1",)
    assert read_image(row).created_at == 7
    assert read_image({"Id": "a" * 64, "RepoTags": None, "Created": "1970-01-01T00:00:07Z"}).is_dangling


def test_a_listed_container_may_lack_almost_everything() -> None:
    listed = read_listed({"Id": "c", "Names": None, "Labels": None, "Created": "2026-01-02T03:04:05Z"})
    assert (listed.name, listed.unit, listed.created_at) == ("", "", 1767323045.0)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("localhost:5000/a/b:1", "localhost:5000/a/b"),
        ("localhost:5000/a/b", "localhost:5000/a/b"),
        ("ghcr.io/a/b@sha256:00", "ghcr.io/a/b"),
        ("ghcr.io/a/b:1@sha256:00", "ghcr.io/a/b"),
        ("busybox:1", "busybox"),
    ],
)
def test_repositories(name: str, repository: str) -> None:
    assert repository_of(name) == repository


PULLS = {
    "registry-unauthorized": [
        "reading manifest latest in ghcr.io/a/b: unauthorized: authentication required",
        "Requesting bearer token: invalid status code from registry 403 (Forbidden)",
        "reading manifest latest in docker.io/a/b: requested access to the resource is denied",
    ],
    "registry-rate-limited": [
        "toomanyrequests: You have reached your pull rate limit",
        "received unexpected HTTP status: 429 Too Many Requests",
    ],
    "disk-full": ['writing blob: storing blob to file "/var/tmp/x": write: no space left on device'],
    "image-not-found": [
        "reading manifest latest in ghcr.io/a/b: manifest unknown: manifest unknown",
        "reading manifest 1 in ghcr.io/a/b: name unknown",
    ],
    "registry-unreachable": [
        "pinging container registry h:1: dial tcp 127.0.0.1:1: connect: connection refused",
        "dial tcp: lookup ghcr.io on 10.0.0.1:53: no such host",
        "copying system image: reading blob: unexpected EOF",
        "reading blob: read tcp 10.0.0.2:1->10.0.0.3:443: connection reset by peer",
    ],
    "registry-slow": ["reading blob: context deadline exceeded"],
    "pull-failed": ["something nobody has seen"],
}


@pytest.mark.parametrize(("said", "code"), [(said, code) for code, all in PULLS.items() for said in all])
def test_what_a_failed_pull_means(said: str, code: str) -> None:
    stderr = f"Trying to pull {REF}...\nError: initializing source docker://{REF}: {said}\n"
    failed = Completed(PULL, 125, "", stderr, 1)
    assert pull_error(REF, failed).code == code
    assert pull_error(REF, Completed(PULL, 124, "", stderr, 1)).code == "pull-timeout"
