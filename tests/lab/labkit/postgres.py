"""A PostgreSQL image made of this machine's own binaries and the libraries they load, without a network."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from labkit.commands import run
from labkit.images import builder, ensure_base

PROGRAMS = ("postgres", "initdb", "psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_isready")
NAME = "localhost/lab-postgres"
ACCOUNTS = "root:x:0:0:root:/:/bin/sh\npostgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh\n"
START = """\
#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null
fi
exec postgres -c listen_addresses= -c unix_socket_directories=/tmp -c fsync=off
"""
CONTAINERFILE = """\
FROM localhost/lab-base
COPY --chown=999:999 root/ /
ENV PGDATA=/var/lib/postgresql/data PGHOST=/tmp PGUSER=postgres PATH={bin}:/bin LC_ALL=C
USER postgres
STOPSIGNAL SIGINT
CMD ["/bin/sh", "/start"]
"""


def programs_directory() -> Path | None:
    """Where Debian keeps the newest PostgreSQL server; None when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def push_postgres(reference: str) -> None:
    """Build the image unless built before, and push it. Raises LookupError where there is no PostgreSQL."""
    programs = programs_directory()
    if programs is None:
        raise LookupError("no PostgreSQL server is installed (apt-get install postgresql)")
    if builder("image", "exists", NAME, check=False) is None:
        _build(programs)
    builder("push", "--quiet", NAME, f"docker://{reference}")


def _build(programs: Path) -> None:
    ensure_base()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "root")
        wanted = [programs / name for name in PROGRAMS] + _modules(programs)
        for path in {*wanted, *_libraries(wanted)}:
            target = root / str(path).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        version = programs.parts[4]
        shutil.copytree(f"/usr/share/postgresql/{version}", root / f"usr/share/postgresql/{version}")
        for made in ("etc", "tmp", "var/lib/postgresql/data"):
            (root / made).mkdir(parents=True, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "var/lib/postgresql/data").chmod(0o700)
        (root / "etc/passwd").write_text(ACCOUNTS)
        (root / "start").write_text(START)
        Path(directory, "Containerfile").write_text(CONTAINERFILE.format(bin=programs))
        options = ("--quiet", "--isolation=chroot", "--format=docker", "--layers=false")
        builder("build", *options, "--tag", NAME, directory)


def _modules(programs: Path) -> list[Path]:
    """The loadable modules initdb needs: text search dictionaries, procedural language, conversions."""
    modules = programs.parent / "lib"
    return [path for name in ("dict_snowball.so", "plpgsql.so") for path in modules.glob(name)]


def _libraries(programs: list[Path]) -> set[Path]:
    """What ldd(1) says they load, the loader itself too."""
    said = "".join(run("ldd", str(path)) + "\n" for path in programs)
    return {Path(path) for path in re.findall(r"(/\S+)\s+\(0x", said)}
