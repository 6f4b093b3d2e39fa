"""A mirror of releases: a directory of static files under a web server, as any mirror may be."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
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
        assets.mkdir(parents=True)
        shutil.copy(program, assets / ASSET)
        digest = sha256 or hashlib.sha256(program.read_bytes()).hexdigest()
        (assets / f"{ASSET}.sha256").write_text(f"{digest}  {ASSET}\n")
        about = {
            "tag_name": tag, "draft": False, "prerelease": False,
            "assets": [{"name": ASSET, "size": program.stat().st_size}],
        }
        releases = self.root / "repos" / REPOSITORY / "releases"
        releases.mkdir(parents=True, exist_ok=True)
        (releases / "latest").write_text(json.dumps(about))
        (releases / "tags").mkdir(exist_ok=True)
        (releases / "tags" / tag).write_text(json.dumps(about))


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


def build_version(version: str, directory: Path) -> Path:
    """This program built as another version, from a copy of the sources."""
    sources = directory / f"sources-{version}"
    not_needed = shutil.ignore_patterns("tests", "dist", "__pycache__", "docs")
    shutil.copytree(Path.cwd(), sources, ignore=not_needed)
    run(sys.executable, str(sources / "build_zipapp.py"), "--version", version)
    return sources / "dist" / ASSET


def broken_version(program: Path, code: str, directory: Path) -> Path:
    """A copy of `program` whose `__main__` is `code`."""
    broken = directory / "broken.pyz"
    with zipfile.ZipFile(program) as whole, broken.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as changed:
            for entry in whole.infolist():
                if entry.filename.startswith("__main__"):
                    continue
                changed.writestr(entry, whole.read(entry))
            changed.writestr("__main__.py", code)
    broken.chmod(0o755)
    return broken
