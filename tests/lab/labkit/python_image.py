"""A base image with Python, git and pip, made of this machine's own files: python:slim without a network.

What `FROM docker.io/library/python:3.13-slim` gives the Containerfile is here `localhost/lab-python`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from labkit.images import BUSYBOX, builder

BASE = "localhost/lab-python"
PYTHON = Path("/usr/bin/python3.11")
LIBRARY = Path("/usr/lib/python3.11")
NOT_NEEDED = (
    "test", "idlelib", "lib2to3", "pydoc_data", "ensurepip", "tkinter", "turtledemo", "config-3*",
    "EXTERNALLY-MANAGED",
)
PROGRAMS = ("/usr/bin/dash", "/usr/bin/git", "/usr/bin/flock", "/usr/sbin/useradd")
GIT_NAMES = ("git", "git-upload-pack", "git-index-pack", "git-remote")
TEMPLATES = "usr/share/git-core/templates"
PIP = Path("/usr/share/python-wheels")
CONTAINERFILE = """\
FROM scratch
COPY root/ /
RUN ["/usr/bin/busybox", "--install", "-s", "/usr/bin"]
RUN ["/usr/bin/busybox", "ln", "-sf", "dash", "/usr/bin/sh"]
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin PYTHONPATH={pip}
"""


def missing() -> str:
    """What this machine lacks to make the image, in words; empty when nothing is missing."""
    wanted = [PYTHON, *map(Path, PROGRAMS), *[PIP / "pip*.whl"]]
    lacking = [str(path) for path in wanted if not list(path.parent.glob(path.name))]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def ensure_python_base() -> None:
    """Make the image unless it is made; it is kept in the lab's cache for the next run."""
    if builder("image", "exists", BASE, check=False) is not None:
        return
    key = hashlib.sha256(PYTHON.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    cached = Path(os.environ["LAB_CACHE"], f"python-{key}.tar")
    if cached.exists():
        builder("load", "--quiet", "--input", str(cached))
        return
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "root")
        _lay_out(root)
        (pip,) = sorted(PIP.glob("pip*.whl"))[-1:]
        Path(directory, "Containerfile").write_text(CONTAINERFILE.format(pip=pip))
        builder("build", "--quiet", "--isolation=chroot", "--layers=false", "--tag", BASE, directory)
    unfinished = cached.with_suffix(f".{os.getpid()}.{Path.home().stat().st_ino}")
    builder("save", "--quiet", "--output", str(unfinished), BASE)
    unfinished.rename(cached)


def _lay_out(root: Path) -> None:
    for name in ("usr/bin", "usr/sbin", "usr/lib64", "usr/local/share", "usr/local/bin", "etc", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / TEMPLATES).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    shutil.copytree(LIBRARY, root / str(LIBRARY)[1:], ignore=shutil.ignore_patterns(*NOT_NEEDED))
    shutil.copytree(PIP, root / str(PIP)[1:], ignore=shutil.ignore_patterns("setuptools*"))
    shutil.copy(BUSYBOX, root / "usr/bin/busybox")
    wanted = [PYTHON, *map(Path, PROGRAMS)]
    for path in {*wanted, *_libraries([*wanted, *(LIBRARY / "lib-dynload").glob("*.so")])}:
        target = root / "usr" / str(path).lstrip("/").removeprefix("usr/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (root / "usr/bin/python3").symlink_to(PYTHON.name)
    core = root / "usr/lib/git-core"
    core.mkdir(parents=True)
    for name in GIT_NAMES:
        (core / name).symlink_to("../../bin/git")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")


def _libraries(programs: list[Path]) -> set[Path]:
    """What ldd(1) says they load, the loader itself too."""
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    return {Path(path) for path in re.findall(r"(/\S+)\s+\(0x", done.stdout)}
