"""The product in a container, as the Containerfile at the root makes it: layer 1 is its process 1."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.containers import free_port

from labkit.commands import eventually, run
from labkit.images import builder
from labkit.python_image import BASE, ensure_python_base
from labkit.webhooks import request

IMAGE = "localhost/lab-podup"
VERSION = str(tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"])
STATE, TARGET = "/state", "/opt/bin/pod-upgrade-trigger"
NOT_NEEDED = shutil.ignore_patterns("tests", "bench", "dist", "__pycache__", ".git", ".?*_cache")
TOKEN = "the-container's-token-0123456789"


def image(registry: str) -> str:
    """Build the Containerfile over a base of this machine's files and push it; the reference to run."""
    reference = f"{registry}/lab/podup:layer1"
    if builder("image", "exists", IMAGE, check=False) is None:
        ensure_python_base()
        with tempfile.TemporaryDirectory() as directory:
            sources = Path(directory, "sources")
            shutil.copytree(Path.cwd(), sources, ignore=NOT_NEEDED)
            options = ["--quiet", "--isolation=chroot", "--layers=false", "--build-arg", f"BASE={BASE}"]
            builder("build", *options, "--tag", IMAGE, str(sources))
    builder("push", "--quiet", IMAGE, f"docker://{reference}")
    return reference


@dataclass(slots=True)
class Container:
    """One container with volumes of its own; `settings` are its environment, `shell` runs the script."""

    image: str
    settings: dict[str, str] = field(default_factory=dict)
    shell: tuple[str, ...] = ()
    name: str = field(default_factory=lambda: f"layer1-{secrets.token_hex(4)}")
    port: int = field(default_factory=free_port)

    def start(self) -> None:
        """Make and start it."""
        variables = {
            "PODUP_HTTP_ADDR": f"127.0.0.1:{self.port}",
            "PODUP_TOKEN": TOKEN,
            "PODUP_UPDATE_SETTLE_SECS": "1",
            "PODUP_UPDATE_TRIAL_SECS": "30",
            **self.settings,
        }
        words = ["run", "--detach", "--network=host", "--name", self.name]
        for number, place in enumerate((STATE, "/opt/bin", "/app")):
            words += ["--volume", f"{self.name}-{number}:{place}"]
        for name, value in variables.items():
            words += ["--env", f"{name}={value}"]
        if self.shell:
            script = "/usr/local/bin/entrypoint.sh"
            words += ["--entrypoint", "[" + ", ".join(f'"{word}"' for word in (*self.shell, script)) + "]"]
        run("podman", *words, self.image)

    def remove(self) -> None:
        run("podman", "rm", "--force", "--time", "0", self.name, check=False)
        run("podman", "volume", "rm", *(f"{self.name}-{number}" for number in range(3)), check=False)

    def cut_power(self) -> None:
        """SIGKILL to process 1: the kernel ends all others of the container."""
        run("podman", "kill", "--signal", "KILL", self.name)
        run("podman", "wait", self.name)

    def start_again(self) -> None:
        run("podman", "start", self.name)

    def stop(self) -> int:
        """Stop it as a user does; its exit code."""
        run("podman", "stop", "--time", "30", self.name)
        return int(run("podman", "inspect", "--format", "{{.State.ExitCode}}", self.name))

    def inside(self, script: str, *, timeout_s: float = 60.0, check: bool = True) -> str:
        """What a line of shell in the container prints."""
        return run("podman", "exec", self.name, "sh", "-c", script, timeout_s=timeout_s, check=check)

    def log(self) -> str:
        """All the container said, both streams."""
        return run("sh", "-c", f"podman logs {self.name} 2>&1")

    def health(self) -> dict[str, Any]:
        """The body of /health, empty when nothing answers."""
        try:
            found = request(f"http://127.0.0.1:{self.port}/health").body
        except OSError:
            return {}
        return found if isinstance(found, dict) else {}

    def version(self) -> str:
        return str(self.health().get("version", ""))

    def wait_for(self, version: str, *, timeout_s: float = 60.0) -> None:
        """Wait until this version answers and no update is under way."""
        eventually(
            f"{version} serves and no update is left",
            lambda: self.version() == version and not self.is_updating(),
            timeout_s=timeout_s,
        )

    def is_updating(self) -> bool:
        return self.inside(f"test ! -e {STATE}/UPDATE_LOCK.json || echo yes", check=False) == "yes"
