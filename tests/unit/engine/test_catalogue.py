"""What is known of services outlasts a moment in which podman or systemd does not answer."""

from __future__ import annotations

import pytest
from simulated_host import WEB, Host

from podup.host.run import Command
from podup.host.simulator.parts import Fault, SimulatedUnit
from podup.host.simulator.scenes import container_unit

OTHER, WRAPPED = "other.service", "wrapped.service"
SCRIPT = (("/etc/systemd/user/wrapped.service", "[Service]\nExecStart=/home/podup/start\n"),)


@pytest.mark.parametrize("broken", ["podman ps", "systemctl --user list-unit-files"])
def test_a_source_that_does_not_answer_takes_nothing_away(host: Host, broken: str) -> None:
    image = "ghcr.io/acme/wrapped:1"
    host.machine.push(image, "v1")
    wrapped = SimulatedUnit(WRAPPED, kind="container", files=SCRIPT, image=image)
    host.machine.add(container_unit("other", "ghcr.io/acme/api:1"), wrapped)
    host.machine.run(Command(("systemctl", "--user", "start", "--", WRAPPED), mutates=True))
    host.built.engine.catalogue.find()
    known = {unit: host.service(unit).image for unit in (WEB, OTHER, WRAPPED)}
    assert known[WRAPPED] == image and all(known.values())
    host.machine.fault(Fault(broken, stderr="Error: database is locked", times=1))
    host.built.engine.catalogue.find()
    assert {unit: host.service(unit).image for unit in known} == known
