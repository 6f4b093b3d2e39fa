"""An update that is killed after it stopped the service: it runs again already, or the journal is there.

Whoever starts the service again (systemd when the update's unit ends, layer 1) does so for a journal only.
"""

import errno
from pathlib import Path

import pytest
from update_simulator import OLD, Machine, build, make_machine

from podup.files import trace
from podup.update.states import End

pytestmark = pytest.mark.slow

ENDS = {
    "happy": End.SUCCEEDED,
    "rollback": End.ROLLED_BACK,
    "no backup": End.ABORTED,
    "hold": End.HELD,
}


class Killed(BaseException):
    """Ends the update where it stands."""


def machine_of(root: Path, path: str) -> Machine:
    machine = make_machine(root, behaviour="crash" if path in ("rollback", "hold") else "good")
    if path == "hold":
        build(machine.places.target, OLD, behaviour="mute")
    return machine


def refuse(call: trace.Call, path: str) -> None:
    if path == "no backup" and call.name == "backup" and "/backups/" in call.path:
        raise OSError(errno.ENOSPC, "no room")


@pytest.mark.parametrize("path", ENDS)
def test_killed_anywhere_it_leaves_the_service_running_or_word_of_it(tmp_path: Path, path: str) -> None:
    names: list[str] = []

    def watch(call: trace.Call) -> None:
        names.append(call.name)
        refuse(call, path)

    whole = machine_of(tmp_path / "whole", path)
    with trace.watched(watch):
        assert whole.update().end is ENDS[path]
    first = names.index("service-stop") + 1
    down = 0
    for number in range(first, len(names) + 1):

        def die(call: trace.Call, at: int = number) -> None:
            if call.number == at:
                raise Killed
            refuse(call, path)

        machine = machine_of(tmp_path / str(number), path)
        with pytest.raises(Killed), trace.watched(die):
            machine.update()
        down += not machine.service.running
        assert machine.service.running or machine.places.journal.exists(), (number, names[number - 1])
    assert down > 3
