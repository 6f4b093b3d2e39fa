"""The program itself in several versions, good and broken, and a mirror that publishes them."""

import atexit
import functools
import hashlib
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NAME = "pod-upgrade-trigger.pyz"
GOOD = "from podup.__main__ import main\nraise SystemExit(main())\n"
BROKEN = f"import sys\nif 'http-server' in sys.argv: raise SystemExit(1)\n{GOOD}"


def build(version: str, directory: Path) -> Path:
    words = [sys.executable, str(ROOT / "build_zipapp.py"), "--version", version, "--output", str(directory)]
    subprocess.run(words, check=True, capture_output=True)
    return directory / NAME


def variant(version: str, main: str, target: Path) -> Path:
    """Build a version whose first words are `main`."""
    return changed(built_once(version), target, main=main)


@functools.cache
def built_once(version: str) -> Path:
    """Build a version for all who want to copy it."""
    directory = tempfile.mkdtemp(prefix="podup-built-")
    atexit.register(shutil.rmtree, directory)
    return build(version, Path(directory))


def changed(
    program: Path, target: Path, *, main: str, files: Mapping[str, str] | None = None
) -> Path:
    """Copy a program with `main` for its first words, without any when that is empty, and these `files`."""
    replaced = {"__main__.py": main, **(files or {})}
    with zipfile.ZipFile(program) as whole, target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as other:
            for entry in whole.infolist():
                if entry.filename.removesuffix("c") not in replaced:
                    other.writestr(entry, whole.read(entry))
            for name, text in replaced.items():
                if text:
                    other.writestr(name, text)
    target.chmod(0o755)
    return target


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


class Patient(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that went away, as one does that has enough."""


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serve a directory on loopback; yields its URL."""
    directory.mkdir(exist_ok=True)
    handler = functools.partial(Silent, directory=directory)
    server = Patient(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def publish(mirror: Path, version: str, program: Path) -> None:
    """Make `program` the newest release of a/b."""
    assets = mirror / f"a/b/releases/download/v{version}"
    assets.mkdir(parents=True, exist_ok=True)
    data = program.read_bytes()
    (assets / NAME).write_bytes(data)
    (assets / f"{NAME}.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  {NAME}\n")
    latest = mirror / "repos/a/b/releases/latest"
    latest.parent.mkdir(parents=True, exist_ok=True)
    latest.write_text(json.dumps({"tag_name": f"v{version}"}))
