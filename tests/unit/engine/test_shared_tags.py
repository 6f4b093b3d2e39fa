"""Two units with one `Image=`: what is done to the tag for one of them is told of the other."""

from __future__ import annotations

import pytest
from simulated_host import IMAGE, WEB, Host

from podup.core.states import Status, Trigger
from podup.host.run import Command
from podup.host.simulator.parts import Fault
from podup.host.simulator.scenes import container_unit
from podup.store.tasks import Task

BESIDE = "beside.service"


@pytest.fixture
def shared(host: Host) -> Host:
    """Return the host with a second service on the same tag, written without it."""
    host.machine.add(container_unit("beside", IMAGE.removesuffix(":latest")))
    host.machine.run(Command(("systemctl", "--user", "start", "--", BESIDE), mutates=True))
    host.built.engine.catalogue.find()
    return host


def deploy(host: Host, unit: str) -> Task:
    with host.store.write() as cx:
        intent = host.built.engine.catalogue.deploy(host.service(unit))
        task = host.built.engine.intake.submit(cx, intent, Trigger("webhook"))
    host.settle()
    return host.task(task.id)


def next_start(host: Host, unit: str) -> str:
    host.built.engine.catalogue.refresh()
    return str(host.service(unit).details["next_digest"])


def test_a_service_taken_back_takes_the_tag_of_the_other_along_and_says_so(shared: Host) -> None:
    old = shared.service(WEB).running_digest or next_start(shared, WEB)
    shared.machine.push(IMAGE, "v2")
    first = deploy(shared, WEB)
    assert first.status is Status.SUCCEEDED
    assert f"name it {IMAGE}; the next start of {BESIDE} runs it too" in " ".join(shared.log(first.id))
    new = next_start(shared, BESIDE)
    assert new == shared.service(WEB).running_digest != old
    assert next_start(shared, WEB) == ""

    shared.machine.fault(Fault("systemctl --user restart", effect="after", times=1))
    second = deploy(shared, BESIDE)
    assert second.status is Status.ROLLED_BACK, second.summary
    assert second.summary.endswith(f"taken back; the next start of {WEB} runs it too")
    assert (next_start(shared, WEB), next_start(shared, BESIDE)) == (
        shared.service(BESIDE).running_digest,
        "",
    )
    assert shared.version(WEB) == "v2", "it runs on"


def test_the_scheduler_leaves_both_alone_afterwards(shared: Host) -> None:
    shared.machine.push(IMAGE, "v2")
    deploy(shared, WEB)
    shared.machine.fault(Fault("systemctl --user restart", effect="after", times=1))
    deploy(shared, BESIDE)
    for _ in range(3):
        ticked = shared.built.scheduler.tick()
        assert ticked.started == (), ticked
        shared.settle()


def test_an_image_quarantined_for_the_other_is_named_as_such(shared: Host) -> None:
    shared.machine.push(IMAGE, "v2")
    shared.machine.fault(Fault("systemctl --user restart", effect="after", times=1))
    assert deploy(shared, BESIDE).status is Status.ROLLED_BACK
    task = deploy(shared, WEB)
    assert task.status is Status.SUCCEEDED
    assert f"the next start of {BESIDE} (quarantined for it) runs it too" in " ".join(shared.log(task.id))
