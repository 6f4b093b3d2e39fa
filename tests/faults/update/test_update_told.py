"""What an operator is told of an update that goes on, was put off or was interrupted."""

import json
import shutil
import signal
import subprocess
import sys

import pytest
from programs import publish, serving
from test_update_strace import Place
from waiting import eventually

from podup.files import FileLock, is_locked
from podup.update import kept

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path, built, newer):
    with serving(tmp_path / "mirror") as url:
        publish(tmp_path / "mirror", "1.1.0", newer)
        found = Place(tmp_path / "host", url)
        found.target.parent.mkdir(parents=True)
        found.state.mkdir()
        shutil.copy2(built, found.target)
        yield found


def findings(place: Place, about: str) -> list[tuple[str, str]]:
    """What doctor finds: sentence and advice."""
    told = json.loads(place.run(str(place.target), "doctor", "--json").stdout)["findings"]
    return [(one["says"], one["hint"]) for one in told if one["about"] == about]


def test_doctor_tells_what_was_put_off_rejected_under_way_or_interrupted(place):
    remembered = {
        "versions": {"1.2.0": {"reason": "it ended", "at": 5}},
        "put_off": {"version": "1.1.0", "count": 1, "at": 5, "reason": "no space left"},
    }
    (place.state / "rejected.json").write_text(json.dumps(remembered))
    put_off, rejected = findings(place, "updates")
    assert put_off[0] == "1.1.0 was put off: no space left" and "`self-update` does it at once" in put_off[1]
    assert rejected[0] == "1.2.0 was rejected: it ended"
    assert rejected[1].endswith("self-update rejected release 1.2.0")
    (place.state / "UPDATE_LOCK.json").write_text("{}")
    assert findings(place, "updates")[0][0] == "an update was interrupted"
    with FileLock(place.state / "update.flock", what="self-update"):
        assert findings(place, "updates")[0][0].startswith("an update is under way: pid ")


def test_who_interrupts_the_command_is_told_that_the_update_goes_on(place):
    words = [sys.executable, str(place.target), "self-update"]
    asked = subprocess.Popen(words, env=place.environment(), stderr=subprocess.PIPE, text=True)
    eventually(lambda: is_locked(place.state / "update.flock"), within_s=60)
    asked.send_signal(signal.SIGINT)
    said = asked.communicate(timeout=60)[1]
    assert asked.returncode == 130
    assert f"the update goes on without this command: see {place.state / 'update.log'}" in said
    eventually(lambda: kept.read_version(place.target) == "1.1.0", within_s=60)
    eventually(lambda: not is_locked(place.state / "update.flock"), within_s=60)
