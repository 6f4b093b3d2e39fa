"""Which unit runs a container: what is asked for that, and what is made of odd answers."""

import json
from typing import Any

from podup.core.unit_files import UNIT_LABEL
from podup.host.podman import Podman
from podup.host.run import Command, Completed


class CannedPodman:
    """Answers `ps` with these containers and `image inspect` with those of these images that it knows."""

    def __init__(self, containers: list[dict[str, Any]], images: dict[str, dict[str, str] | None]) -> None:
        self._containers, self._images = containers, images
        self.asked: list[tuple[str, ...]] = []

    def run(self, command: Command) -> Completed:
        self.asked.append(command.argv)
        if command.argv[1] == "ps":
            return Completed(command, 0, json.dumps(self._containers), "", 1)
        ids = [word.removeprefix("sha256:") for word in command.argv[3:]]
        known = [{"Id": one, "Labels": self._images[one]} for one in ids if one in self._images]
        missing = len(known) < len(ids)
        says = "Error: inspecting object: x: image not known" if missing else ""
        return Completed(command, 125 if missing else 0, json.dumps(known), says, 1)


def container(name: str, unit: str = "", image: str = "") -> dict[str, Any]:
    labels = {UNIT_LABEL: unit} if unit else None
    return {"Id": name, "Names": [name], "ImageID": image, "Labels": labels, "State": "running"}


def units(podman: Podman) -> dict[str, str]:
    return {one.name: one.unit for one in podman.containers()}


def test_an_image_is_asked_about_once() -> None:
    listed = [container("web", "web.service", "a1"), container("by-hand", image="a1")]
    machine = CannedPodman(listed, {"a1": None})
    podman = Podman(machine)
    assert units(podman) == units(podman) == {"web": "web.service", "by-hand": ""}
    assert [argv[1:] for argv in machine.asked] == [
        ("ps", "--all", "--format", "json"),
        ("image", "inspect", "sha256:a1"),
        ("ps", "--all", "--format", "json"),
    ]


def test_what_another_process_knows_is_not_asked_again() -> None:
    images = {"a1": {UNIT_LABEL: "web.service"}}
    first = Podman(CannedPodman([container("x", "web.service", "a1")], images))
    assert units(first) == {"x": ""}
    machine = CannedPodman([container("x", "web.service", "a1")], {})
    assert units(Podman(machine, claims=first.known_claims)) == {"x": ""}
    assert [argv[1] for argv in machine.asked] == ["ps"]


def test_a_claim_of_the_image_proves_nothing_and_another_label_does() -> None:
    images = {"a1": {UNIT_LABEL: "web.service"}}
    listed = [container("x", "web.service", "a1"), container("y", "other.service", "a1")]
    machine = CannedPodman(listed, images)
    assert units(Podman(machine)) == {"x": "", "y": "other.service"}
    assert Podman(machine).containers(unit="web.service") == ()


def test_a_container_without_an_image_and_one_whose_image_is_gone_are_believed() -> None:
    listed = [container("pod-infra", "pod.service"), container("old", "old.service", "gone")]
    machine = CannedPodman(listed, {})
    assert units(Podman(machine)) == {"pod-infra": "pod.service", "old": "old.service"}
