"""The product under test: the built .pyz as a user service, its commands, its API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.containers import free_port

from labkit.commands import eventually, run
from labkit.services import systemctl, units_directory
from labkit.webhooks import Answer, request

BUILT = Path("dist/pod-upgrade-trigger.pyz")
UNIT = "pod-upgrade-trigger-http.service"
UNIT_EXAMPLE = Path("systemd/pod-upgrade-trigger-http.user.service.example")
SECRET = "the-lab's-webhook-secret"
TOKEN = "the-lab-admin-token-0123456789"


@dataclass(slots=True)
class Daemon:
    """The installed program with settings of its own; `state` is empty at first."""

    state: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def program(self) -> Path:
        return Path.home() / ".local/bin/pod-upgrade-trigger"

    def install(self) -> None:
        """Copy the program into place, and write its environment file and its unit."""
        self.program.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.program.with_suffix(".new")
        shutil.copy(BUILT, unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(self.program)
        environment = "".join(f'{name}="{value}"\n' for name, value in self.environment().items())
        (Path.home() / ".config/pod-upgrade-trigger-http.env").write_text(environment)
        shutil.copy(UNIT_EXAMPLE, units_directory() / UNIT)
        systemctl("daemon-reload")

    def environment(self) -> dict[str, str]:
        return {
            "PODUP_STATE_DIR": str(self.state),
            "PODUP_HTTP_ADDR": f"127.0.0.1:{self.port}",
            "PODUP_GH_WEBHOOK_SECRET": SECRET,
            "PODUP_TOKEN": TOKEN,
            "PODUP_VERIFY_TIMEOUT_SECS": "10",
            "PODUP_VERIFY_SETTLE_SECS": "2",
            **self.settings,
        }

    def start(self) -> None:
        """Start it and wait until it answers /health."""
        systemctl("start", UNIT)
        eventually("the daemon answers /health", self.is_healthy)

    def stop(self) -> None:
        systemctl("stop", UNIT, check=False)
        systemctl("reset-failed", UNIT, check=False)

    def kill(self) -> None:
        """SIGKILL, as a crash would; systemd starts it again after a second."""
        systemctl("kill", "--kill-whom=main", "--signal=KILL", UNIT)

    def is_healthy(self) -> bool:
        try:
            return request(f"{self.url}/health").status == 200
        except OSError:
            return False

    def api(self, path: str, body: dict[str, Any] | None = None, *, method: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        return request(f"{self.url}{path}", data, headers, method=method)

    def command(self, *arguments: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """One of the program's commands, in the environment a user's shell has."""
        return subprocess.run(
            [str(self.program), *arguments], capture_output=True, text=True, timeout=timeout_s,
            stdin=subprocess.DEVNULL, env=self.shell(),
        )

    def shell(self) -> dict[str, str]:
        """A user's shell knows none of the daemon's settings: the program reads their file by itself."""
        return {name: value for name, value in os.environ.items() if not name.startswith("PODUP_")}

    def newest_task(self, unit: str) -> str:
        """The id of the unit's newest task, empty when it has none."""
        tasks = self.api(f"/api/tasks?unit={unit}&per_page=1").body["tasks"]
        return str(tasks[0]["task_id"]) if tasks else ""

    def look_again(self) -> None:
        """Let it find the services that were made since it last looked."""
        answer = self.api("/api/manual/services?refresh=1")
        assert answer.status == 200, answer

    def task(self, task_id: str) -> dict[str, Any]:
        answer = self.api(f"/api/tasks/{task_id}")
        assert answer.status == 200, answer
        found = answer.body.get("task", answer.body)
        assert isinstance(found, dict)
        return found

    def wait_for_task(self, task_id: str, *, timeout_s: float = 60.0) -> dict[str, Any]:
        """The task once it has ended; raises AssertionError when it has not in time."""
        running = ("pending", "running")
        return eventually(
            f"task {task_id} ends",
            lambda: task if (task := self.task(task_id))["status"] not in running else {},
            timeout_s=timeout_s,
        )

    def journal(self) -> str:
        return run("journalctl", "--user", "--no-pager", "--quiet", "--output=cat", f"--unit={UNIT}")


@contextmanager
def daemon_running(state: Path, settings: dict[str, str]) -> Iterator[Daemon]:
    """The built program as a user service. Raises AssertionError where none was built."""
    assert BUILT.exists(), f"{BUILT} is missing: python3 build_zipapp.py makes it"
    running = Daemon(state, settings)
    running.install()
    running.start()
    running.look_again()
    yield running
    running.stop()
