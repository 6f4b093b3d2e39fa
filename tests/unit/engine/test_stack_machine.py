"""What a stack machine makes of a compose file and its containers, over a podman that answers by rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stack_simulator import Clock

from podup.core.stack_map import Stack, stacks_from
from podup.engine.stack_machine import StackMachine, StackRoots, StackTools
from podup.errors import Invalid, NotFound, Refused
from podup.host.run import Command, Completed

FILE = """\
services:
  db:
    image: postgres:15
    env_file: [db.env]
    volumes: ["./data:/d", "named:/n", "/elsewhere:/e:ro"]
volumes: {named: }
"""
RUNNING = {"Image": "a" * 64, "State": {"Status": "running", "Running": True}}


class Podman:
    """podman and podman-compose; `containers` are asked for by the labels they bear."""

    def __init__(self) -> None:
        self.containers: list[dict[str, Any]] = []

    def run(self, command: Command) -> Completed:
        words, code, out = command.argv, 0, ""
        if words[0] == "podman-compose":
            out = "podman-composer version  1.0.3"
        elif words[1] == "ps":
            name, _, value = words[-1].removeprefix("label=").partition("=")
            found = [one for one in self.containers if one["Config"]["Labels"].get(name) == value]
            out = "\n".join(one["Id"] for one in found)
        elif words[1:3] == ("container", "inspect"):
            out = json.dumps([one for one in self.containers if one["Id"] in words])
        elif words[1:3] == ("volume", "ls"):
            out = "odoo_named" if words[-1].endswith("project=odoo") else ""
        elif words[1:3] != ("image", "inspect"):
            code = 127
        return Completed(command, code, out, "", 1)

    def start(self, project: str, directory: str, *mounts: dict[str, Any]) -> None:
        names = {"project": project, "service": "db", "project.working_dir": directory}
        labels = {f"com.docker.compose.{name}": value for name, value in names.items()}
        own = {"Id": f"id-{len(self.containers)}", "Config": {"Labels": labels}, "Mounts": [*mounts]}
        self.containers.append({**RUNNING, **own})


@pytest.fixture
def podman() -> Podman:
    return Podman()


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A stack whose run directory is a link to where it really is."""
    real = tmp_path / "opt/Odoo"
    (real / "data").mkdir(parents=True)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/odoo").symlink_to(real)
    (real / "docker-compose.yml").write_text(FILE)
    (real / ".env").write_text("TAG=v1\nOTHER=x\n")
    (real / "db.env").write_text("A=1\n")
    return stacks_from({"odoo": {"tag_variable": "TAG"}}, stacks_dir=str(tmp_path / "stacks"))[0]


@pytest.fixture
def machine(stack: Stack, podman: Podman, tmp_path: Path) -> StackMachine:
    unused: Any = None
    roots = StackRoots(tmp_path / "backups", tmp_path / "releases", tmp_path / "history.log")
    return StackMachine(
        StackTools(podman, podman, Clock(), unused, unused, lambda: "", unused, roots, (stack,))
    )


def test_directories_are_told_alike_by_file_and_container(
    stack: Stack, machine: StackMachine, podman: Podman
) -> None:
    real = Path(stack.run_dir).resolve()
    bound = {"Type": "bind", "Source": str(real / "data"), "RW": True}
    read_only = {"Type": "bind", "Source": str(real), "RW": False}
    file = {"Type": "bind", "Source": str(real / "db.env"), "RW": True}
    podman.start("odoo", str(real), bound, read_only, file, {"Type": "volume", "Name": "odoo_named"})
    assert machine.containers(stack).items[0].volumes == ("./data", "odoo_named")
    service = machine.composition(stack, "").services[0]
    assert service.volumes == ("./data:/d", "/elsewhere:/e:ro", "named:/n")


def test_what_containers_may_write_to_is_known_before_a_sync(stack: Stack, machine: StackMachine) -> None:
    file = Path(stack.run_dir, "docker-compose.yml")
    job = "services:\n  job: {image: x, profiles: [a], volumes: ['./jobs:/j']}"
    file.write_text(FILE.replace("services:", job))
    (file.parent / "db.env").unlink()
    assert {"./jobs:/j", "./data:/d"} <= set(machine.mounts(stack))
    file.write_text("services: &x !tag")
    with pytest.raises(Invalid):
        machine.mounts(stack)
    file.unlink()
    assert machine.mounts(stack) == ()


def test_volumes_without_a_name_count_when_they_hold_something(
    stack: Stack, machine: StackMachine, podman: Podman, tmp_path: Path
) -> None:
    mounts = [
        {"Type": "volume", "Name": name[0] * 64, "Source": str(tmp_path / name), "Destination": f"/{name}"}
        for name in ("empty", "full", "dark")
    ]
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("x")
    podman.start("odoo", stack.run_dir, *mounts)
    found = machine.containers(stack).items[0].unnamed
    assert sorted(volume.partition(":")[2] for volume in found) == ["/dark", "/full"]


def test_what_is_left_of_a_stack_that_was_taken_down_is_told(stack: Stack, machine: StackMachine) -> None:
    seen = machine.containers(stack)
    assert (seen.items, seen.left_volumes) == ((), ("odoo_named",))


def test_a_file_of_variables_belongs_to_the_definition(stack: Stack, machine: StackMachine) -> None:
    run_dir = Path(stack.run_dir)

    def fingerprint() -> str:
        return machine.composition(stack, "").services[0].fingerprint

    before = fingerprint()
    (run_dir / "db.env").write_text("A=2\n")
    assert fingerprint() != before
    (run_dir / "db.env").unlink()
    with pytest.raises(NotFound) as caught:
        fingerprint()
    assert caught.value.code == "env-file-missing" and "db.env" in caught.value.message


def test_env_as_a_file_of_variables_does_not_restart_a_service_for_each_version(
    stack: Stack, machine: StackMachine
) -> None:
    run_dir = Path(stack.run_dir)
    (run_dir / "docker-compose.yml").write_text(FILE.replace("db.env", ".env"))
    before = machine.composition(stack, "").services[0].fingerprint
    (run_dir / ".env").write_text("TAG=v2\nOTHER=x\n")
    assert machine.composition(stack, "").services[0].fingerprint == before
    (run_dir / ".env").write_text("TAG=v2\nOTHER=y\n")
    assert machine.composition(stack, "").services[0].fingerprint != before


@pytest.mark.parametrize(
    ("env", "files", "not_read"),
    [
        ("", ["docker-compose.override.yml"], ("docker-compose.override.yml",)),
        ("", ["compose.prod.yml"], ()),
        ("COMPOSE_FILE=docker-compose.yml:compose.prod.yml\n", ["compose.prod.yml"], ("compose.prod.yml",)),
        ("COMPOSE_FILE=docker-compose.yml\n", ["docker-compose.override.yml"], ()),
    ],
)
def test_files_that_compose_by_hand_would_read_are_told(
    stack: Stack, machine: StackMachine, env: str, files: list[str], not_read: tuple[str, ...]
) -> None:
    (Path(stack.run_dir) / ".env").write_text(env)
    for name in files:
        (Path(stack.run_dir) / name).write_text("services: {}\n")
    assert machine.composition(stack, "").not_read == not_read


def test_a_compose_file_under_the_other_usual_name_is_pointed_at(stack: Stack, machine: StackMachine) -> None:
    run_dir = Path(stack.run_dir)
    (run_dir / "docker-compose.yml").rename(run_dir / "compose.yaml")
    with pytest.raises(NotFound) as caught:
        machine.composition(stack, "")
    assert 'compose_file = "compose.yaml"' in caught.value.hint


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_stack_started_under_another_project_is_not_started_beside_it(
    stack: Stack, machine: StackMachine, podman: Podman, is_linked: bool
) -> None:
    directory = stack.run_dir if is_linked else str(Path(stack.run_dir).resolve())
    podman.start("shop", directory)
    with pytest.raises(Refused) as caught:
        machine.containers(stack)
    assert caught.value.code == "project-differs" and 'project = "shop"' in caught.value.hint
    podman.start("odoo", directory)
    assert [item.service for item in machine.containers(stack).items] == ["db"]
