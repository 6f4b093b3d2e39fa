"""`scheduler`: ticks in a process of its own.

With a daemon running it asks that one to tick; without one it works alone, moving the tasks along until
none runs. Looked at anew for every tick, so a daemon may come and go meanwhile.
"""

import os
from collections.abc import Callable
from typing import Any

from podup.app.api import api_of
from podup.app.local import LocalApi
from podup.app.rules import timetable_of
from podup.cli.calls import Api
from podup.clock import Clock
from podup.engine.scheduler import Timetable
from podup.errors import PodupError
from podup.records import replace
from podup.settings.load import Loaded

_CALLER = "scheduler"
_LONGEST_SLEEP_S = 60.0


def run(
    loaded: Loaded,
    clock: Clock,
    *,
    interval_s: float,
    most: int,
    say: Callable[[str], None],
    find: Callable[[Loaded, Clock], Api] = api_of,
) -> int:
    """Tick at once and then by the timetable; return the exit code of the last tick after `most` of them.

    `find` gives the API to ask, for every tick anew.
    """
    timetable = timetable_of(loaded)
    if interval_s:
        timetable = replace(timetable, interval_s=interval_s, cron=None)
    done = 0
    while True:
        code = _tick(lambda: find(loaded, clock), say)
        done += 1
        if most and done >= most:
            return code
        _wait(timetable, clock)


def _tick(find: Callable[[], Api], say: Callable[[str], None]) -> int:
    """Tick once. What stands in the way now may be gone at the next tick, so it is told and not raised."""
    try:
        api = find()
        answer = api.call("POST", "/api/scheduler/tick", body={"caller": _CALLER})
        _tell(answer, say)
        if isinstance(api, LocalApi):
            api.settle()
        return 1 if answer["error"] else 0
    except PodupError as error:
        say(error.on_one_line)
        return error.exit_code


def _tell(answer: dict[str, Any], say: Callable[[str], None]) -> None:
    say(f"tick ({answer['mode']}): {answer['message']}")
    for started in answer["started"]:
        say(f"  {started['unit']}: task {started['task_id']}")
    for skipped in answer["skipped"]:
        say(f"  {skipped['unit']}: left alone, {skipped['reason']}")


def _wait(timetable: Timetable, clock: Clock) -> None:
    due_s = timetable.after(clock.now(), clock) + timetable.late_s(os.urandom)
    while (left_s := due_s - clock.now()) > 0:
        latest_s = timetable.after(clock.now(), clock) + timetable.jitter_s
        due_s = min(due_s, latest_s)  # a clock that was set back does not put the tick off
        clock.sleep(min(left_s, _LONGEST_SLEEP_S))
