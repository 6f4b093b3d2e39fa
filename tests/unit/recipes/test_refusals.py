"""What a refusal tells to do works for who reads it."""

import pytest

from podup.recipes.facts import UnitConfig, UnitState
from podup.recipes.refusals import refuse_unit
from podup.records import replace

FINE = UnitState("web.service", "loaded", "active", "running")


@pytest.mark.parametrize("manager", ["--user", "--system"])
@pytest.mark.parametrize(
    ("state", "says"),
    [
        (UnitState("web.service"), "systemctl {} daemon-reload"),
        (replace(FINE, load="masked"), "systemctl {} unmask web.service"),
        (replace(FINE, load="error"), "systemctl {} status web.service"),
        (replace(FINE, need_reload=True), "systemctl {} daemon-reload"),
    ],
)
def test_the_hint_reaches_the_manager_that_said_so(state: UnitState, says: str, manager: str) -> None:
    config = UnitConfig("web.service", "quadlet", "ghcr.io/acme/web:latest")
    refusal = refuse_unit("web.service", config, replace(state, manager=manager), None)
    assert refusal is not None
    assert says.format(manager) in refusal.hint
