"""Layer 1 with the program itself: no systemd, a mirror on loopback, updates taken, taken back and killed."""

import json
import os
import re
import signal

import pytest
from programs import BROKEN, GOOD, serving, variant
from supervised import Host, publish_main, running
from waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(params=[["dash"]], ids=lambda shell: shell[0])
def host(request, tmp_path, built):
    with serving(tmp_path / "mirror") as url, running(Host(tmp_path, request.param, built, url)) as found:
        yield found


def test_updates_taken_and_taken_back(host):
    good = publish_main(host, "1.1.0", GOOD)
    assert host.update().wait(timeout=60) == 0
    assert host.is_at_rest("1.1.0")
    publish_main(host, "1.2.0", BROKEN)
    assert host.update().wait(timeout=90) == 4
    eventually(lambda: host.is_at_rest("1.1.0"))
    assert host.target.read_bytes() == good.read_bytes()


def test_a_power_cut_in_the_trial(host):
    before = host.target.read_bytes()
    publish_main(host, "1.1.0", GOOD)
    update = host.update()
    journal = host.state / "UPDATE_LOCK.json"
    eventually(lambda: journal.exists() and '"trial"' in journal.read_text())
    os.kill(int(json.loads((host.state / "update.flock").read_text())["pid"]), signal.SIGKILL)
    os.killpg(update.pid, signal.SIGKILL)
    os.killpg(host.process.pid, signal.SIGKILL)
    host.process.wait(30)
    update.wait(30)
    host.start()
    eventually(lambda: host.is_at_rest("1.0.0"))
    assert host.target.read_bytes() == before
    assert not list(host.target.parent.glob("*.new.*"))


def test_a_program_that_only_crashes_goes_back_to_the_one_before(host):
    good = publish_main(host, "1.1.0", GOOD)
    assert host.update().wait(timeout=60) == 0
    crashing = variant("1.2.0", BROKEN, host.root / "crashing")
    os.replace(crashing, host.target)
    (host.root / "keep").write_bytes(good.read_bytes())
    pid = re.search(r"[0-9]+", (host.state / "daemon.lock").read_text())
    os.kill(int(pid[0]), signal.SIGTERM)
    eventually(lambda: host.is_at_rest("1.0.0"), within_s=60)
