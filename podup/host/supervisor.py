"""What systemd hands to its service, and what a service tells systemd.

Source: sd_notify(3), sd_listen_fds(3), systemd.service(5) (Type=notify, WatchdogSec=).
"""

import socket
from collections.abc import Mapping

_ABSTRACT = "@"


class Supervisor:
    """The manager that started this process, known by the variables it set; silent when there is none."""

    def __init__(self, variables: Mapping[str, str], *, pid: int) -> None:
        self._address = variables.get("NOTIFY_SOCKET", "")
        mine = variables.get("LISTEN_PID", "") == str(pid)
        self.listening_sockets = _number(variables.get("LISTEN_FDS", "")) if mine else 0
        watched = variables.get("WATCHDOG_PID", str(pid)) == str(pid)
        self.watchdog_s = _number(variables.get("WATCHDOG_USEC", "")) / 1_000_000 if watched else 0.0

    def tell(self, *assignments: str) -> None:
        """Send `READY=1`, `STOPPING=1`, `WATCHDOG=1`, `STATUS=...`; a manager that is gone is no error."""
        if not self._address:
            return
        path = self._address
        target = f"\0{path[1:]}" if path.startswith(_ABSTRACT) else path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.sendto("\n".join(assignments).encode(), target)
        except OSError:
            return  # sd_notify(3): the service manager may have gone; the service goes on


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
