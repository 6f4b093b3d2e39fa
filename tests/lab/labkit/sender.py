"""A steady stream of webhooks, and systemd holding the port they come to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.daemon import SECRET, UNIT, Daemon
from labkit.services import Service, systemctl, units_directory
from labkit.webhooks import Answer, deliver, package_event, send

SOCKET = UNIT.replace(".service", ".socket")


@contextmanager
def port_held(daemon: Daemon) -> Iterator[None]:
    """systemd listens for the daemon, by the socket unit that is shipped."""
    text = Path("systemd/pod-upgrade-trigger-http.user.socket.example").read_text()
    path = units_directory() / SOCKET
    path.write_text(text.replace("0.0.0.0:25111", f"127.0.0.1:{daemon.port}"))
    daemon.stop()
    systemctl("daemon-reload")
    systemctl("start", SOCKET)
    daemon.start()
    try:
        yield
    finally:
        systemctl("stop", SOCKET, check=False)
        path.unlink()
        systemctl("daemon-reload")


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery: what came back, and after how long."""

    answer: Answer | OSError
    took_s: float

    @property
    def is_accepted(self) -> bool:
        return isinstance(self.answer, Answer) and self.answer.status == 202

    @property
    def waited_for_update(self) -> bool:
        return isinstance(self.answer, Answer) and "after the update" in str(self.answer.body)


class Sender:
    """Sends a delivery of its own `per_s` times a second until stopped, late ones at once; keeps what came.

    They are of another tag than the service's, so that each is a row and none a deployment.
    """

    def __init__(self, daemon: Daemon, service: Service, *, per_s: float) -> None:
        self.sent: list[Sent] = []
        self._stop = threading.Event()
        self._daemon, self._service, self._pause_s = daemon, service, 1 / per_s
        self._threads: list[threading.Thread] = []
        self._loop = threading.Thread(target=self._send, daemon=True)
        self._loop.start()

    def _send(self) -> None:
        due_s = time.monotonic()
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            due_s += self._pause_s
            thread = threading.Thread(target=self._one, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _one(self) -> None:
        other = package_event(self._service.image.replace(":latest", ":other"), "sha256:" + "0" * 64)
        began_s = time.monotonic()
        try:
            answer: Answer | OSError = send(self._daemon.url, deliver(self._service.unit, other, SECRET))
        except OSError as error:
            answer = error
        self.sent.append(Sent(answer, time.monotonic() - began_s))

    def stop(self) -> None:
        """Return when every delivery has its answer."""
        self._stop.set()
        self._loop.join(30)
        for thread in self._threads:
            thread.join(30)
        assert not any(one.is_alive() for one in (self._loop, *self._threads)), "a delivery has no answer"
