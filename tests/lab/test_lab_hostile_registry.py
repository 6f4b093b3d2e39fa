"""A registry that refuses, lies or breaks off: the task fails and says why, the old version stays."""

from __future__ import annotations

from collections.abc import Callable

from labkit.daemon import Daemon
from labkit.hostile_registry import hostile_registry
from labkit.images import Build, push
from labkit.registries import lab_registry
from labkit.services import Service, running_image_id, served_version, start, systemctl

Make = Callable[..., Service]
# how the registry behaves: (the code of the failure, what its sentence says)
REFUSALS = {
    "gone": ("image-not-found", "the registry has no "),
    "limited": ("registry-rate-limited", "allows no more requests"),
    "denied": ("registry-unauthorized", "does not let us see"),
    "broken": ("registry-unreachable", "status 500"),
    "portal": ("registry-unreachable", "cannot be read"),
    "torn": ("not-applied", "could not be fetched"),
}


def state(service: Service) -> tuple[str, str]:
    return running_image_id(service), systemctl("show", "--property=InvocationID", service.unit)


def test_what_a_registry_does_wrong_leaves_the_old_version_alone(daemon: Daemon, new_service: Make) -> None:
    with hostile_registry() as (address, behaviours):
        services = {how: new_service(name=how, at=address) for how in REFUSALS}
        behind = [one.image.replace(address, lab_registry()) for one in services.values()]
        push(Build("v1"), *behind)
        for service in services.values():
            start(service, serves="v1")
        before = {how: state(service) for how, service in services.items()}
        daemon.look_again()
        push(Build("v2-torn"), *behind)  # of this test alone: what the host has already is not fetched
        behaviours.update({f"acme/{service.name}": how for how, service in services.items()})

        answers = {
            how: daemon.api(f"/api/manual/services/{service.name}", {}) for how, service in services.items()
        }
        tasks = {how: daemon.wait_for_task(answer.body["task_id"]) for how, answer in answers.items()}
        for how, task in tasks.items():
            code, says = REFUSALS[how]
            assert (task["status"], task["code"]) == ("failed", code), task
            assert says in task["summary"], task
        assert {how: state(service) for how, service in services.items()} == before
        assert {served_version(service) for service in services.values()} == {"v1"}

        behaviours.clear()
        again = daemon.api(f"/api/manual/services/{services['gone'].name}", {})
        assert daemon.wait_for_task(again.body["task_id"])["status"] == "succeeded"
