"""A mirror of releases: a directory of static files under a web server, as any mirror may be."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.commands import run

REPOSITORY = "acme/pod-upgrade-trigger"
ASSET = "pod-upgrade-trigger.pyz"
NEXT = "99.0.0"
MIGRATION = """-- oldest-reader: 0.1.0
CREATE TABLE {name} (id INTEGER PRIMARY KEY, delivery TEXT NOT NULL);
INSERT INTO {name} (delivery) SELECT id FROM deliveries;
ALTER TABLE event_log ADD COLUMN {name} TEXT NOT NULL DEFAULT 'added';
CREATE INDEX {name}_by_delivery ON {name} (delivery);
"""


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Mirror:
    """Its `root` directory is what it serves; `url` is both the API's and the files' base address."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.url = url

    def settings(self) -> dict[str, str]:
        return {
            "PODUP_RELEASE_REPO": REPOSITORY,
            "PODUP_RELEASE_API_URL": self.url,
            "PODUP_RELEASE_BASE_URL": self.url,
        }

    def publish(self, version: str, program: Path, *, sha256: str | None = None) -> None:
        """Make `program` the newest release, with its checksum unless another is given."""
        tag = f"v{version}"
        assets = self.root / REPOSITORY / "releases/download" / tag
        assets.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, assets / ASSET)
        digest = sha256 or hashlib.sha256(program.read_bytes()).hexdigest()
        (assets / f"{ASSET}.sha256").write_text(f"{digest}  {ASSET}\n")
        about = {
            "tag_name": tag, "draft": False, "prerelease": False,
            "assets": [{"name": ASSET, "size": program.stat().st_size}],
        }
        releases = self.root / "repos" / REPOSITORY / "releases"
        releases.mkdir(parents=True, exist_ok=True)
        (releases / "tags").mkdir(exist_ok=True)
        (releases / "tags" / tag).write_text(json.dumps(about))
        (releases / "latest.new").write_text(json.dumps(about))
        (releases / "latest.new").rename(releases / "latest")  # somebody may be reading it


@contextmanager
def mirror() -> Iterator[Mirror]:
    with tempfile.TemporaryDirectory(prefix="mirror-") as directory:
        handler = functools.partial(Silent, directory=directory)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Mirror(Path(directory), f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            server.server_close()


def build_version(version: str, directory: Path, *, migration: str = "") -> Path:
    """This program built as another version, from a copy of the sources, with one more migration if given."""
    sources = directory / f"sources-{version}"
    not_needed = shutil.ignore_patterns("tests", "dist", "__pycache__", "docs")
    shutil.copytree(Path.cwd(), sources, ignore=not_needed)
    if migration:
        number = len(list((sources / "migrations").glob("*.sql"))) + 1
        (sources / "migrations" / f"{number:04}_lab.sql").write_text(migration)
    run(sys.executable, str(sources / "build_zipapp.py"), "--version", version)
    return sources / "dist" / ASSET


def broken_version(
    program: Path, code: str, directory: Path, *, version: str = "", migration: str = ""
) -> Path:
    """A copy of `program` whose `__main__` is `code`; if given, of another version, with a migration more."""
    broken = directory / "broken.pyz"
    replaced = {"__main__.py": code}
    with zipfile.ZipFile(program) as whole:
        if version:
            text, line = whole.read("podup/version.py").decode(), f"VERSION = {version!r}"
            replaced["podup/version.py"] = re.sub(r"^VERSION = .*", line, text, flags=re.M)
            replaced["__main__.py"] = f"import podup.version\npodup.version.{line}\n{code}"
        if migration:
            number = sum(name.startswith("podup/migrations/") for name in whole.namelist()) + 1
            replaced[f"podup/migrations/{number:04}_lab.sql"] = migration
    with zipfile.ZipFile(program) as whole, broken.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as changed:
            for entry in whole.infolist():
                if entry.filename.removesuffix("c") not in replaced:
                    changed.writestr(entry, whole.read(entry))
            for name, text in replaced.items():
                changed.writestr(name, text)
    broken.chmod(0o755)
    return broken
