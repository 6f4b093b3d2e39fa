"""What the settings and the file say about units, in the words of the engine."""

from pathlib import Path

import pytest

from podup.app.rules import engine_rules, is_scheduling, timetable_of, unit_settings
from podup.host.simulator.clock import ManualClock
from podup.settings.environment import Environment
from podup.settings.load import Loaded, load

FILE = """\
[units.web]
verify_timeout = 7
cooldown = "1m"
probe = "tcp:127.0.0.1:80"

[[windows]]
open = "03:00-04:00"
"""


def loaded(tmp_path: Path, config: str = "", **settings: str) -> Loaded:
    given = {"PODUP_STATE_DIR": str(tmp_path / "state"), **settings}
    return load(Environment(given, tmp_path, 1000), config_text=config)


def test_a_units_own_table_wins_and_the_rest_comes_from_the_settings(tmp_path: Path) -> None:
    found = loaded(tmp_path, FILE, PODUP_VERIFY_SETTLE_SECS="3", PODUP_KEEP_IMAGES="5")
    web, other = unit_settings(found, "web.service"), unit_settings(found, "api.service")
    assert (web.timing.deadline_s, web.timing.settle_s, web.probe, web.keep_images) == (
        7,
        3,
        "tcp:127.0.0.1:80",
        5,
    )
    assert (other.timing.deadline_s, other.probe) == (60, "")


def test_the_cool_down_and_the_window_of_a_unit(tmp_path: Path) -> None:
    clock = ManualClock()
    rules = engine_rules(loaded(tmp_path, FILE, PODUP_COOLDOWN="10"), clock)
    assert (rules.cooldown_s("web.service"), rules.cooldown_s("api.service")) == (60, 10)
    opens_s = rules.opens_s("web.service", clock.now())
    assert clock.local(opens_s).strftime("%H:%M") == "03:00"
    assert rules.opens_s("web.service", opens_s) == 0
    assert engine_rules(loaded(tmp_path), clock).opens_s("web.service", clock.now()) == 0


@pytest.mark.parametrize(
    ("settings", "runs"),
    [
        ({}, False),
        ({"PODUP_SCHEDULER_ENABLED": "1"}, True),
        ({"PODUP_SCHEDULER_ENABLED": "1", "PODUP_SCHEDULER_CRON": "*/5 * * * *"}, True),
        ({"PODUP_SCHEDULER_ENABLED": "1", "PODUP_SCHEDULER_CRON": "now and then"}, False),
    ],
)
def test_a_scheduler_that_does_not_know_when_does_not_run(
    tmp_path: Path, settings: dict[str, str], runs: bool
) -> None:
    found = loaded(tmp_path, **settings)
    assert is_scheduling(found) is runs
    assert (timetable_of(found).cron is not None) is ("*/5" in str(settings))
