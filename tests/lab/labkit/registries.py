"""The lab's registry, and further ones with a login."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host.containers import start_registry, trust_plain_http

USER, PASSWORD = "lab", "lab-password"
# bcrypt: a registry reads nothing else
HTPASSWD = "lab:$2b$04$gHAsFBcm9WSuvGxCLrhMkeO27OmfcQmZwBmhJvEwLoewv8GYCptR2\n"


def lab_registry() -> str:
    """Its address, `127.0.0.1:PORT`; started with the lab."""
    return os.environ["LAB_REGISTRY"]


@contextmanager
def private_registry() -> Iterator[str]:
    """The address of a registry that asks for USER and PASSWORD, while the context lasts."""
    with tempfile.TemporaryDirectory(prefix="registry-") as directory:
        accounts = Path(directory, "htpasswd")
        accounts.write_text(HTPASSWD)
        address, process = start_registry(Path(directory), htpasswd=accounts)
        trust_plain_http(Path.home(), address)
        try:
            yield address
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=10)
