"""What a task's records tell."""

from typing import Any

import pytest

from podup.engine.story import tell

ENDED_WELL = {
    "type": "command", "argv": ["podman-compose", "up"], "exit": 0, "duration_ms": 1, "stdout": "",
    "stderr": "Error: cannot set multiple networks", "truncated": False, "mutates": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "level"),
    [({}, "warn"), ({"stderr": "Creating web"}, "info"), ({"mutates": False}, "info")],
)
def test_what_a_command_calls_an_error_is_shown_though_it_ended_with_0(
    changed: dict[str, Any], level: str
) -> None:
    assert [line["level"] for line in tell([{**ENDED_WELL, **changed}]).logs] == [level]
