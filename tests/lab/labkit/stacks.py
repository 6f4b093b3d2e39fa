"""Compose stacks of the host: a PostgreSQL image from this machine's own, stacks with a database, and their rows."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from host.containers import free_port

from labkit.commands import eventually, run
from labkit.images import BUSYBOX, Build, builder, push

POSTGRES = "localhost/lab-postgres"
SHARE = Path("/usr/share/postgresql")
TOOLS = ("postgres", "initdb", "pg_dump", "pg_restore", "psql", "pg_isready")
START = """\
#!/bin/sh
set -e
[ -s "$PGDATA/PG_VERSION" ] || initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null
exec postgres -c listen_addresses= -c unix_socket_directories=/tmp -c fsync=off
"""
CONTAINERFILE = """\
FROM scratch
COPY root/ /
COPY --chown=999:999 data /data
ENV PATH=/bin:{bin} PGDATA=/data PGHOST=/tmp
USER 999:999
STOPSIGNAL SIGINT
HEALTHCHECK --interval=1s --timeout=3s --retries=30 CMD pg_isready --quiet
CMD ["/bin/sh", "/start"]
"""
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
    volumes: ["data:/data"]
volumes:
  data: {{}}
"""
ENV = "# the stack's own settings\r\nDB_PASSWORD='a secret # of the lab'\r\nODOO_TAG=\"{version}\" # the version\r\n"


def has_postgres() -> bool:
    return binaries() is not None


def binaries() -> Path | None:
    """The directory of this machine's newest PostgreSQL server, if there is one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def push_postgres(registry: str) -> None:
    """Put the database image into the registry; built once, and kept in the lab's cache."""
    if builder("image", "exists", POSTGRES, check=False) is None:
        _load_or_build()
    builder("push", "--quiet", POSTGRES, f"docker://{registry}/acme/postgres:15")


def _load_or_build() -> None:
    tools = binaries()
    assert tools is not None
    key = hashlib.sha256((CONTAINERFILE + START).encode()).hexdigest()[:16]
    cached = Path(os.environ["LAB_CACHE"], f"postgres-{key}.tar")
    if cached.exists():
        builder("load", "--quiet", "--input", str(cached))
        return
    with tempfile.TemporaryDirectory() as directory:
        _fill(Path(directory), tools)
        options = ["--quiet", "--isolation=chroot", "--format=docker", "--layers=false", "--timestamp=0"]
        builder("build", *options, "--tag", POSTGRES, directory)
    unfinished = cached.with_suffix(f".{os.getpid()}")
    builder("save", "--quiet", "--output", str(unfinished), POSTGRES)
    unfinished.rename(cached)


def _fill(directory: Path, tools: Path) -> None:
    """Lay out a root with the server's programs, the libraries they load, and a shell."""
    root = directory / "root"
    for made in ("bin", "etc", "tmp", "dev/shm"):
        (root / made).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\npostgres:x:999:999::/data:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\npostgres:x:999:\n")
    (root / "start").write_text(START)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in ("sh", "sleep", "cat", "head", "mv", "rm", "test", "["):
        (root / "bin" / applet).symlink_to("busybox")
    modules = tools.parent / "lib"
    wanted = [tools / tool for tool in TOOLS]
    wanted += [modules / name for name in ("plpgsql.so", "dict_snowball.so", "libpqwalreceiver.so")]
    for path in wanted:
        _copy(path, root)
    for path in list(wanted):
        for line in run("ldd", str(path)).splitlines():
            library = next((word for word in line.split() if word.startswith("/")), "")
            if library:
                _copy(Path(library), root)
    version = tools.parent.name
    shutil.copytree(SHARE / version, root / SHARE.relative_to("/") / version, symlinks=False)
    shutil.copytree("/usr/share/zoneinfo/Etc", root / "usr/share/zoneinfo/Etc")
    (directory / "data").mkdir(mode=0o700)
    text = CONTAINERFILE.format(bin=tools)
    (directory / "Containerfile").write_text(text)


def _copy(path: Path, root: Path) -> None:
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(path, target)


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
        self.sql("insert into res_users (login) select 'user' || n from generate_series(1, 1000) n")

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

    def remove(self) -> None:
        for service in ("web", "db"):
            run("podman", "rm", "--force", "--time=1", f"{self.name}-{service}", check=False)
        run("podman", "volume", "rm", "--force", f"{self.name}_data", check=False)
