"""Compose stacks of the host: a web service and a PostgreSQL database with rows that must not get lost."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from host.containers import free_port

from labkit.commands import eventually, run
from labkit.images import Build, push

ROWS = 1000
NOBODY = "127.0.0.1:1"
COMPOSE = """\
services:
  web:
    image: {registry}/acme/{image}:${{ODOO_TAG}}
    container_name: {name}-web
    environment: {{PORT: "8069", BIND: 0.0.0.0}}
    ports: ["127.0.0.1:{port}:8069"]
    restart: {restart}
    depends_on: [db]
  db:
    image: {registry}/acme/postgres:15
    container_name: {name}-db
    environment:
      POSTGRES_PASSWORD: ${{DB_PASSWORD:?is needed}}
    volumes: ["data:/var/lib/postgresql/data"]
    healthcheck:
      test: ["CMD-SHELL", "pg_isready --quiet"]
      interval: 1s
      retries: 30
volumes:
  data: {{}}
"""
ENV = """\
# the stack's own settings\r
DB_PASSWORD='a secret # of the lab'\r
ODOO_TAG="{version}" # the version\r
"""


@dataclass(slots=True)
class LabStack:
    """A stack of a web service and a database, in directories of its own below `base`."""

    name: str
    env: str
    base: Path
    registry: str
    image: str = "odoo18"
    restart: str = "unless-stopped"
    port: int = field(default_factory=free_port)

    @property
    def run_dir(self) -> Path:
        return self.base / "stacks" / self.name

    @property
    def env_file(self) -> Path:
        return self.run_dir / ".env"

    @property
    def history(self) -> Path:
        return self.base / "deploy-history.log"

    @property
    def backups(self) -> Path:
        return self.base / "backups" / self.name

    @property
    def toml(self) -> str:
        """Its table in the configuration file."""
        return f"""
[stacks.{self.name}]
env = "{self.env}"
tag_variable = "ODOO_TAG"
key_services = ["web"]
databases = [{{ name = "odoo", service = "db", tables = ["res_users"] }}]
smoke = [
  {{ http = "http://127.0.0.1:{self.port}/version", timeout_s = 3 }},
  {{ database = "odoo" }},
]
settle_s = 3
deadline_s = 20
pull_timeout_s = 20
min_free_percent = 1
"""

    def write(self, version: str) -> None:
        """Write compose file and `.env`, as an operator would."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        values = {"registry": self.registry, "image": self.image, "name": self.name, "port": self.port}
        (self.run_dir / "docker-compose.yml").write_text(COMPOSE.format(**values, restart=self.restart))
        self.env_file.write_bytes(ENV.format(version=version).encode())
        self.env_file.chmod(0o640)

    def start_by_hand(self) -> None:
        """Bring it up with the compose command alone, and give the database rows."""
        run("podman-compose", "-p", self.name, "-f", str(self.run_dir / "docker-compose.yml"), "up", "-d")
        eventually("the database answers", self.is_database_up)
        self.sql("create database odoo", database="postgres")
        self.sql("create table res_users (id serial primary key, login text)")
        self.sql(f"insert into res_users (login) select 'user' || n from generate_series(1, {ROWS}) n")

    def is_database_up(self) -> bool:
        argv = ["podman", "exec", f"{self.name}-db", "pg_isready", "--quiet", "--username=postgres"]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def sql(self, statement: str, *, database: str = "odoo") -> str:
        psql = ("psql", "--no-psqlrc", "-qtA", "-U", "postgres", "-d", database, "-c", statement)
        return run("podman", "exec", f"{self.name}-db", *psql)

    def rows(self) -> int:
        return int(self.sql("select count(*) from res_users"))

    def serves(self) -> str:
        """What the web service answers at /version, empty when it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/version", timeout=2) as answer:
                return str(answer.read().decode().strip())
        except OSError:
            return ""

    def running_image(self) -> str:
        """What `docker inspect NAME-web | jq .[0].Config.Image` prints."""
        return run("podman", "inspect", "--format", "{{.Config.Image}}", f"{self.name}-web")

    def push(self, version: str, behaviour: str = "good") -> str:
        return push(Build(version, behaviour), f"{self.registry}/acme/{self.image}:{version}")

    def forget_images(self, version: str) -> None:
        """Take all names of a version's web image away, those that keep it too."""
        kept = f"localhost/podup/stack-{self.name}/web:{version}"
        for name in (f"{self.registry}/acme/{self.image}:{version}", kept):
            run("podman", "untag", name, name, check=False)

    @contextmanager
    def broken_pg_dump(self) -> Iterator[None]:
        """Let the container's pg_dump stop half-way and say that all is well."""
        which = run("podman", "exec", f"{self.name}-db", "sh", "-c", "command -v pg_dump")
        script = '#!/bin/sh\n"$0.real" "$@" | head -c 3000\nexit 0\n'
        breaks = f"mv {which} {which}.real && printf '%s' '{script}' > {which} && chmod 755 {which}"
        run("podman", "exec", "--user=0", f"{self.name}-db", "sh", "-c", breaks)
        try:
            yield
        finally:
            run("podman", "exec", "--user=0", f"{self.name}-db", "mv", f"{which}.real", which)

    @contextmanager
    def registry_at(self, location: str) -> Iterator[None]:
        """Let the registry's name lead to another address, as `NOBODY` is one."""
        moved = f'[[registry]]\nprefix = "{self.registry}"\nlocation = "{location}"\ninsecure = true\n'
        directory = Path.home() / ".config/containers/registries.conf.d"
        own = directory / f"{self.registry.replace(':', '-')}.conf"
        kept = own.read_text()
        own.write_text(moved)
        try:
            yield
        finally:
            own.write_text(kept)

    def remove(self) -> None:
        for service in ("web", "db"):
            run("podman", "rm", "--force", "--time=1", f"{self.name}-{service}", check=False)
        run("podman", "volume", "rm", "--force", f"{self.name}_data", check=False)


def settings_for(base: Path, *stacks: LabStack) -> dict[str, str]:
    """The program's settings for these stacks, whose tables are written to a configuration file."""
    config = base / "config.toml"
    config.write_text("".join(stack.toml for stack in stacks))
    return {
        "PODUP_CONFIG": str(config),
        "PODUP_STACKS_DIR": str(base / "stacks"),
        "PODUP_BACKUPS_DIR": str(base / "backups"),
        "PODUP_RELEASES_DIR": str(base / "releases"),
        "PODUP_DEPLOY_HISTORY": str(base / "deploy-history.log"),
    }
