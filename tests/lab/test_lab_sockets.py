"""`server` under a real systemd: the listening socket of a unit, and a process for each connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from labkit.commands import eventually, run
from labkit.daemon import BUILT, SECRET, TOKEN, Daemon
from labkit.images import Build, push
from labkit.services import Service, served_version, systemctl, units_directory, wait_for_version
from labkit.webhooks import Answer, deliver, package_event, request, send

NAME = "lab-inherited"
LISTENING = """\
[Socket]
ListenStream=127.0.0.1:{port}
Accept={accept}
"""
SERVICE = """\
[Service]
EnvironmentFile={environment}
ExecStart=/usr/bin/python3 {program} server
{lines}
"""


@contextmanager
def socket_unit(daemon: Daemon, template: str, accept: str, *lines: str) -> Iterator[None]:
    """systemd listens at the daemon's port and starts `server` with what it accepts, or with the socket."""
    environment = daemon.state.parent / "environment"
    environment.write_text("".join(f'{name}="{value}"\n' for name, value in daemon.environment().items()))
    text = SERVICE.format(environment=environment, program=BUILT.resolve(), lines="\n".join(lines))
    files = {
        f"{NAME}.socket": LISTENING.format(port=daemon.port, accept=accept),
        template: text,
    }
    for name, content in files.items():
        (units_directory() / name).write_text(content)
    systemctl("daemon-reload")
    systemctl("start", f"{NAME}.socket")
    try:
        yield
    finally:
        systemctl("stop", f"{NAME}.socket", f"{NAME}*.service", check=False)
        systemctl("reset-failed", f"{NAME}*", check=False)
        for name in files:
            (units_directory() / name).unlink()


def ask(daemon: Daemon, path: str) -> Answer:
    return request(f"{daemon.url}{path}", headers={"Authorization": f"Bearer {TOKEN}"})


def state_of(unit: str) -> str:
    return systemctl("is-active", unit, check=False)


def is_idle() -> bool:
    return not run("systemctl", "--user", "list-units", "--plain", "--no-legend", f"{NAME}@*.service")


def test_a_socket_unit_starts_the_daemon_with_the_first_request(web: Service, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "state")
    with socket_unit(daemon, f"{NAME}.service", "no", "Type=notify", "NotifyAccess=main"):
        assert state_of(f"{NAME}.service") == "inactive"
        assert ask(daemon, "/health").status == 200
        eventually("the daemon is ready", lambda: state_of(f"{NAME}.service") == "active")
        digest = push(Build("v2"), web.image)
        answer = send(daemon.url, deliver(web.unit, package_event(web.image, digest), SECRET))
        assert answer.status == 202, answer
        wait_for_version(web, "v2")
        systemctl("stop", f"{NAME}.service")
        assert ask(daemon, "/api/tasks").body["total"] == 1  # the socket has stayed, and starts it again


@pytest.mark.parametrize("lines", [("StandardInput=socket",), ()], ids=["on standard input", "by its number"])
def test_a_process_for_each_connection_answers_it_and_ends(
    web: Service, tmp_path: Path, lines: tuple[str, ...]
) -> None:
    daemon = Daemon(tmp_path / "state")
    with socket_unit(daemon, f"{NAME}@.service", "yes", *lines):
        assert request(f"{daemon.url}/api/tasks").status == 401
        digest = push(Build("v2"), web.image)
        answer = send(daemon.url, deliver(web.unit, package_event(web.image, digest), SECRET))
        assert answer.status == 202, answer
        eventually("what was accepted is done, and no process is left", is_idle, timeout_s=60)
        assert served_version(web) == "v2"
        task = ask(daemon, f"/api/tasks/{answer.body['task_id']}").body
        assert task["status"] == "succeeded", task
        failed = run("systemctl", "--user", "list-units", "--failed", "--plain", "--no-legend", f"{NAME}@*")
        assert not failed
