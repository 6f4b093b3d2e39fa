"""When a stack is well: single containers, where the whole road is not needed to tell."""

from dataclasses import replace
from typing import Any

import pytest

from podup.core import compose
from podup.core.stack_map import stacks_from
from podup.recipes.facts import ContainerState
from podup.recipes.health_checks import HealthCheck
from podup.recipes.stack_facts import StackContainer, StackContainers
from podup.recipes.stack_health import judge_containers
from podup.recipes.verbs import Health, Verdict

FILE = """\
services:
  web:
    image: web:1
    depends_on: {migrate: {condition: service_completed_successfully}}
  migrate: {image: web:1}
  tidy: {image: web:1}
"""
STATE = ContainerState("1", "x", "id", "web:1", status="running", running=True, started_at=0.0)
ENDED = {"status": "exited", "running": False, "exit_code": 0}


def judged(**changed: dict[str, Any]) -> tuple[Health, str]:
    """Return the health of three containers, of which some differ from one that runs, and why."""
    verdict = verdict_of(**changed)
    return verdict.health, "; ".join(verdict.reasons)


def verdict_of(**changed: dict[str, Any]) -> Verdict:
    stack = stacks_from({"odoo": {"one_shot": ["tidy"]}}, stacks_dir="/srv")[0]
    wanted = compose.read_file(FILE, {}, "odoo")
    items = [
        StackContainer(service.name, replace(STATE, id=service.name, **changed.get(service.name, {})))
        for service in wanted.services
    ]
    found = StackContainers(100.0, tuple(items))
    return judge_containers(stack, wanted, {}, before=found, seen=found)


@pytest.mark.parametrize(
    ("check", "health", "is_asked_for"),
    [
        (HealthCheck(interval_s=300.0, failing=1), Health.PENDING, True),
        (HealthCheck(interval_s=300.0, failing=1, is_askable=False), Health.PENDING, False),
        (HealthCheck(interval_s=30.0, failing=3), Health.BAD, False),
    ],
)
def test_the_first_check_is_early_and_the_next_is_asked_for(
    check: HealthCheck, health: Health, is_asked_for: bool
) -> None:
    verdict = verdict_of(web={"health": "unhealthy", "check": check})
    assert (verdict.health, bool(verdict.asks)) == (health, is_asked_for)


@pytest.mark.parametrize("name", ["migrate", "tidy"])
def test_what_is_there_to_do_something_once_may_end_well(name: str) -> None:
    assert judged(**{name: ENDED})[0] is Health.OK
    assert judged(**{name: {**ENDED, "exit_code": 1}}) == (Health.BAD, f"{name} ended 1")


def test_what_ends_without_being_expected_to_is_asked_for() -> None:
    assert judged(web=ENDED) == (Health.BAD, "web is exited with exit code 0; is it one_shot?")
