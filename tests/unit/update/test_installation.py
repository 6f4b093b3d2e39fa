"""How an installation is switched on; that it runs is proven in the lab."""

from pathlib import Path

import pytest

from podup.errors import PodupError
from podup.host.run import Completed
from podup.settings.environment import Environment
from podup.update.installation import HTTP, switch_on

SERVICE, SOCKET = f"{HTTP}.service", f"{HTTP}.socket"


class Systemd:
    """systemd as far as this goes: it starts no socket whose service runs without it (systemd.socket(5))."""

    def __init__(self, *active: str) -> None:
        self.active, self.asked = set(active), []

    def run(self, command):
        _, scope, verb, *words = command.argv
        self.asked.append(verb)
        assert scope == "--user"
        exit_code, said = 0, ""
        if verb == "is-active":
            exit_code = 0 if set(words) <= self.active else 3
        elif verb == "stop":
            self.active -= set(words)
        elif verb == "enable":
            units = [word for word in words if not word.startswith("--")]
            if SOCKET in units and SOCKET not in self.active and SERVICE in self.active:
                exit_code, said = 1, "Job failed. See \"journalctl -xe\" for details."
            else:
                self.active |= set(units)
        return Completed(command, exit_code, "", said, 1)


@pytest.mark.parametrize("active", [(), (SERVICE,), (SERVICE, SOCKET)])
def test_a_socket_is_added_to_a_service_that_runs(active):
    systemd = Systemd(*active)
    switch_on(systemd, Environment({}, Path("/home/me"), 1000), (SOCKET, SERVICE))
    assert systemd.active == {SERVICE, SOCKET}
    assert ("stop" in systemd.asked) == (SOCKET not in active), "no connection is lost without need"


def test_without_a_socket_nothing_is_stopped_and_a_failure_is_told():
    systemd = Systemd(SERVICE)
    switch_on(systemd, Environment({}, Path("/home/me"), 1000), (SERVICE,))
    assert systemd.asked == ["daemon-reload", "enable"]

    class Broken(Systemd):
        def run(self, command):
            return Completed(command, 1, "", "no bus", 1)

    with pytest.raises(PodupError, match="no bus"):
        switch_on(Broken(), Environment({}, Path("/home/me"), 1000), (SERVICE,))
