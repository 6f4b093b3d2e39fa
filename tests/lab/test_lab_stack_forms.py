"""A stack as users write them: variables in variables, profiles, services that end, files of variables.

Beside it stand containers that are none of its own. All was started by hand; then the program takes over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from host.containers import free_port
from labkit.commands import run
from labkit.daemon import Daemon
from labkit.images import Build, push
from labkit.stacks import LabStack, settings_for

NAME = "forms"
COMPOSE = """\
x-shared: &shared
  env_file: [./web.env]
services:
  web:
    <<: *shared
    image: ${{IMAGE}}:${{FORMS_TAG:?which version}}
    environment: {{PORT: "8080", BIND: "${{BIND:-0.0.0.0}}"}}
    ports: ["127.0.0.1:{port}:8080"]
    volumes: ["./uploads:/uploads", "./web.env:/conf:ro"]
    depends_on:
      migrate: {{condition: service_completed_successfully}}
      cache: {{condition: service_started}}
  migrate:
    image: ${{IMAGE}}:${{FORMS_TAG}}
    command: ["true"]
  cache:
    image: ${{IMAGE}}:cache
    environment: {{PORT: "8081"}}
  debug:
    image: registry.invalid/never:1
    profiles: [debug]
"""
ENV = """\
# where it comes from
export REGISTRY={registry}
IMAGE="${{REGISTRY}}/acme/forms"
FORMS_TAG = '{version}'   # the version
"""
TABLE = """
[stacks.forms]
env = "prod"
tag_variable = "FORMS_TAG"
smoke = [{{ http = "http://127.0.0.1:{port}/version", timeout_s = 3 }}]
settle_s = 1
deadline_s = 30
min_free_percent = 1
"""


class Forms(LabStack):
    """The stack above."""

    @property
    def toml(self) -> str:
        return TABLE.format(port=self.port)

    def write(self, version: str) -> None:
        (self.run_dir / "uploads").mkdir(parents=True)
        (self.run_dir / "docker-compose.yml").write_text(COMPOSE.format(port=self.port))
        self.env_file.write_text(ENV.format(registry=self.registry, version=version))
        (self.run_dir / "web.env").write_text("COLOUR=blue\n")

    def start_by_hand(self) -> None:
        """All with compose but the cache, which has a volume without a name."""
        labels = {"project": NAME, "service": "cache", "container-number": "1"}
        words = [f"--label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        image = f"{self.registry}/acme/forms:cache"
        start_alone("forms_cache_1", image, *words, "-v/data")
        run("podman", "exec", "forms_cache_1", "touch", "/data/x")
        file = str(self.run_dir / "docker-compose.yml")
        run("podman-compose", "-p", NAME, "-f", file, "up", "-d", "migrate", "web")

    def remove(self) -> None:
        named = run("podman", "ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={NAME}")
        run("podman", "rm", "--force", "--volumes", "--time=1", *named.split(), check=False)


def start_alone(name: str, image: str, *options: str) -> None:
    """Start a container without compose. It is on the machine's network, where a port may be taken."""
    run("podman", "run", "--detach", f"--name={name}", f"--env=PORT={free_port()}", *options, image)


@pytest.fixture
def stack(tmp_path: Path, registry: str) -> Iterator[Forms]:
    made = Forms(NAME, "prod", tmp_path, registry, image="forms", port=free_port())
    for version in ("v1", "v2", "cache"):
        made.push(version)
    claims = (("com.docker.compose.project", NAME), ("com.docker.compose.service", "web"))
    push(Build("claims", labels=claims), f"{registry}/acme/stray:1")
    made.write("v1")
    made.start_by_hand()
    start_alone("stray", f"{registry}/acme/stray:1")
    try:
        yield made
    finally:
        made.remove()


def container(name: str) -> str:
    """Its id and whether it runs."""
    return run("podman", "inspect", "--format={{.Id}} {{.State.Status}} {{.State.ExitCode}}", name)


def test_a_stack_as_users_write_them_is_taken_over(stack: Forms, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "state", settings_for(tmp_path, stack))
    daemon.install()
    daemon.start()
    kept = container("forms_cache_1"), container("stray")
    env = stack.env_file.read_text()
    (stack.run_dir / "web.env").rename(stack.run_dir / "away.env")
    refused = daemon.command("stack", "deploy", NAME, "v2")
    assert refused.returncode == 3 and "web.env" in refused.stdout, refused.stdout + refused.stderr
    assert stack.serves() == "v1"
    (stack.run_dir / "away.env").rename(stack.run_dir / "web.env")
    done = daemon.command("stack", "deploy", NAME, "v2")
    daemon.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.serves() == "v2"
    assert stack.env_file.read_text() == env.replace("'v1'", "'v2'")
    assert container("forms_migrate_1").endswith("exited 0")
    assert (container("forms_cache_1"), container("stray")) == kept, "these were nobody's to replace"
