"""Tiny images without a network: FROM scratch, a static busybox, one shell script that serves or misbehaves.

They are built in a store of their own, as on a build machine: the host gets them from the registry only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from labkit.commands import run

BUSYBOX = Path("/bin/busybox")
BASE = "localhost/lab-base"
BASE_CONTAINERFILE = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""

# What a version does when it runs; PORT and BIND come from its unit. Process 1 needs the trap to be stopped.
HTTPD = "httpd -f -p ${BIND:-127.0.0.1}:$PORT -h /www &"
SERVE = f"trap 'exit 0' TERM\n{HTTPD} wait\n"
BEHAVIOURS = {
    "good": SERVE,
    "exits": "echo cannot start >&2\nexit 1\n",
    "crashes": f"{HTTPD}\nsleep 1\necho crashed >&2\nexit 1\n",
    "unhealthy": SERVE,
    "sickens": "(sleep 3; touch /sick) &\n" + SERVE,
    "healthy": SERVE,
    "seldom-checked": "(sleep 1; touch /ready) &\n" + SERVE,
    "seldom-checked-bad": SERVE,
    "never-ready": "trap 'exit 0' TERM\nsleep 100000 & wait\n",
}
OFTEN = "--interval=1s --retries=1 --timeout=3s"
HEALTHCHECKS = {
    "unhealthy": f"{OFTEN} CMD false",
    "sickens": f"{OFTEN} CMD test ! -e /sick",
    "healthy": f"{OFTEN} CMD true",
    "seldom-checked": "--interval=5m CMD test -e /ready",
    "seldom-checked-bad": "--interval=5m --start-period=1m CMD test -e /ready",
}


@dataclass(frozen=True, slots=True)
class Build:
    """A version: what it serves at /version, how it behaves, and what it says of itself in labels."""

    version: str
    behaviour: str = "good"
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def local_name(self) -> str:
        return f"localhost/lab-build:{self.behaviour}-{self.version}"


def push(build: Build, *references: str) -> str:
    """Build it unless built before, push it under each reference; its manifest digest in the registry."""
    if builder("image", "exists", build.local_name, check=False) is None:
        _build(build)
    with tempfile.NamedTemporaryFile(mode="r", prefix="digest-") as digest:
        for reference in references:
            builder("push", "--quiet", "--digestfile", digest.name, build.local_name, f"docker://{reference}")
        return digest.read().strip()


def push_index(build: Build, reference: str) -> tuple[str, str]:
    """Push it as a manifest list with one platform; the list's digest and the platform manifest's digest."""
    manifest = push(build, reference)
    name = f"localhost/lab-index:{build.version}"
    builder("manifest", "rm", name, check=False)
    builder("manifest", "create", name)
    builder("manifest", "add", name, f"docker://{reference.removesuffix(':latest')}@{manifest}")
    with tempfile.NamedTemporaryFile(mode="r", prefix="digest-") as digest:
        builder("manifest", "push", "--all", "--digestfile", digest.name, name, f"docker://{reference}")
        return digest.read().strip(), manifest


def builder(*arguments: str, check: bool = True) -> str | None:
    """Podman with the build machine's store; None when it fails and `check` is False."""
    store = Path.home() / ".build-machine"
    argv = ["podman", "--root", str(store / "storage"), "--runroot", str(store / "run"), *arguments]
    try:
        return run(*argv)
    except AssertionError:
        if check:
            raise
        return None


def _build(build: Build) -> None:
    ensure_base()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "root")
        (root / "www").mkdir(parents=True)
        (root / "www/version").write_text(build.version + "\n")
        (root / "start").write_text(f"echo starting {build.version}\n{BEHAVIOURS[build.behaviour]}")
        lines = [f"FROM {BASE}", "COPY root/ /", 'CMD ["/bin/sh", "/start"]']
        if test := HEALTHCHECKS.get(build.behaviour):
            lines.append(f"HEALTHCHECK {test}")
        lines += [f"LABEL {name}={value}" for name, value in build.labels]
        Path(directory, "Containerfile").write_text("\n".join(lines) + "\n")
        # the OCI format knows no HEALTHCHECK
        options = ["--quiet", "--isolation=chroot", "--format=docker", "--layers=false"]
        builder("build", *options, "--tag", build.local_name, directory)


def ensure_base() -> None:
    """The base image costs two seconds, so it is kept in the lab's cache for the next run."""
    if builder("image", "exists", BASE, check=False) is not None:
        return
    key = hashlib.sha256(BUSYBOX.read_bytes() + BASE_CONTAINERFILE.encode()).hexdigest()[:16]
    cached = Path(os.environ["LAB_CACHE"], f"base-{key}.tar")
    if cached.exists():
        builder("load", "--quiet", "--input", str(cached))
        return
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(BUSYBOX, directory)
        Path(directory, "Containerfile").write_text(BASE_CONTAINERFILE)
        builder("build", "--quiet", "--isolation=chroot", "--tag", BASE, directory)
    unfinished = cached.with_suffix(f".{os.getpid()}.{Path.home().stat().st_ino}")
    builder("save", "--quiet", "--output", str(unfinished), BASE)
    unfinished.rename(cached)
