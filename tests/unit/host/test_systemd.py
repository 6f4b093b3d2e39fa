"""Where systemd is not: what `Systemd` makes of a bus that cannot be reached."""

import pytest

from podup.errors import PodupError, Unavailable
from podup.host.run import Completed
from podup.host.systemd import Systemd


class NoBus:
    """A machine whose user has no manager."""

    def run(self, argv, *, mutates, timeout_s=30.0, stdin=None, env=None, on_line=None) -> Completed:
        return Completed(tuple(argv), 1, "", "Failed to connect to bus: No medium found\n", 1)


class NoSystemd:
    """A machine without systemd."""

    def run(self, argv, *, mutates, timeout_s=30.0, stdin=None, env=None, on_line=None) -> Completed:
        return Completed(tuple(argv), 127, "", "systemctl: [Errno 2] No such file or directory", 1)


@pytest.mark.parametrize("machine", [NoBus(), NoSystemd()])
def test_there_is_no_manager(machine) -> None:
    systemd = Systemd(machine)
    assert systemd.overall() == "offline"
    with pytest.raises(PodupError):
        systemd.show("web.service")
    with pytest.raises(PodupError):
        systemd.restart("web.service")


def test_a_missing_bus_has_its_code_and_hint() -> None:
    with pytest.raises(Unavailable) as missing:
        Systemd(NoBus()).show("web.service")
    assert missing.value.code == "systemd-unavailable"
    assert "enable-linger" in missing.value.hint
