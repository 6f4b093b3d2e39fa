"""Hooks as real processes: what they are told, and what their exit codes mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from podup.clock import SystemClock
from podup.engine.run import Postponed
from podup.engine.service_effects import ServiceHost, service_world
from podup.engine.world import World
from podup.errors import PodupError
from podup.host.journal import Journal
from podup.host.podman import Podman
from podup.host.run import HostRunner
from podup.host.systemd import Systemd
from podup.recipes.actions import RunHook
from podup.recipes.policy import Policy

FACTS = (("PODUP_UNIT", "web.service"), ("PODUP_IMAGE", "ghcr.io/acme/web:latest"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("PODUP_TOKEN", "a secret of the program")
    runner = HostRunner(SystemClock(), {"PATH": "/usr/bin:/bin"})
    host = ServiceHost(
        runner=runner,
        podman=Podman(runner),
        systemd=Systemd(runner),
        journal=Journal(runner),
        discovery=None,
        prober=None,
        resolve=None,
        tags=None,
        policy=Policy(0.0),
        hear=None,
    )
    return service_world(host)


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_hook_is_told_the_facts_and_none_of_our_settings(world: World, tmp_path: Path) -> None:
    told = tmp_path / "told"
    hook = script(tmp_path / "hook", f'env > {told}; echo "$1" >> {told}')
    world.perform(RunHook((hook, "an argument; with $(odd) words"), FACTS))
    lines = told.read_text().splitlines()
    assert "PODUP_UNIT=web.service" in lines
    assert "PODUP_IMAGE=ghcr.io/acme/web:latest" in lines
    assert lines[-1] == "an argument; with $(odd) words"
    assert not [line for line in lines if "secret" in line]


def test_exit_75_postpones(world: World, tmp_path: Path) -> None:
    with pytest.raises(Postponed) as seen:
        world.perform(RunHook((script(tmp_path / "hook", "exit 75"),), FACTS))
    assert seen.value.retry_after_s == 300


@pytest.mark.parametrize("text", ["exit 1", "kill -9 $$", "exit 10"])
def test_any_other_end_fails(world: World, tmp_path: Path, text: str) -> None:
    with pytest.raises(PodupError) as seen:
        world.perform(RunHook((script(tmp_path / "hook", text),), FACTS))
    assert seen.value.code == "hook-failed"


def test_a_hook_that_is_missing_or_never_ends_fails(world: World, tmp_path: Path) -> None:
    for argv in ((str(tmp_path / "gone"),), (script(tmp_path / "slow", "sleep 60"),)):
        with pytest.raises(PodupError) as seen:
            world.perform(RunHook(argv, FACTS, timeout_s=1.0))
        assert seen.value.code == "hook-failed"
