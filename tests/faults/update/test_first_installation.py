"""The script that installs the first program, against good and bad mirrors, by dash and busybox.

What does not verify is never put at the target, and nothing is left beside it.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from programs import NAME, ROOT, serving

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "scripts/update-pod-upgrade-trigger-from-release.sh"
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}
PROGRAM = b"#!/bin/sh\necho pod-upgrade-trigger 1.0.0\n"
BROKEN = b"#!/bin/sh\nexit 1\n"
LATEST = b'{"tag_name": "v1.0.0"}'


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SUM = digest(PROGRAM)


@dataclass
class Mirror:
    """A release server's files, and where the script installs to."""

    root: Path
    shell: list[str]
    url: str = ""

    @property
    def assets(self) -> Path:
        return self.root / "mirror/a/b/releases/download/v1.0.0"

    @property
    def target(self) -> Path:
        return self.root / "bin/pod-upgrade-trigger"

    def publish(self, program: bytes = PROGRAM, checksum: str = f"{SUM}  {NAME}\n") -> None:
        self.assets.mkdir(parents=True, exist_ok=True)
        (self.assets / NAME).write_bytes(program)
        (self.assets / f"{NAME}.sha256").write_text(checksum)
        latest = self.root / "mirror/repos/a/b/releases/latest"
        latest.parent.mkdir(parents=True, exist_ok=True)
        latest.write_bytes(LATEST)

    def install(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "TARGET_BIN": str(self.target),
            "PODUP_RELEASE_REPO": "a/b",
            "PODUP_RELEASE_API_URL": self.url,
            "PODUP_RELEASE_BASE_URL": self.url,
            **settings,
        }
        argv = [*self.shell, str(SCRIPT), *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def left(self) -> list[str]:
        found = self.target.parent.iterdir() if self.target.parent.is_dir() else ()
        return sorted(path.name for path in found)


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.skipif(not shutil.which(words[0]), reason=f"no {name} here"))
        for name, words in SHELLS.items()
    ]
)
def mirror(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mirror]:
    found = Mirror(tmp_path, SHELLS[request.param])
    found.publish()
    with serving(tmp_path / "mirror") as found.url:
        yield found


def test_a_good_release_is_installed(mirror: Mirror) -> None:
    done = mirror.install("--dry-run")
    assert (done.returncode, mirror.left()) == (0, []), done
    done = mirror.install()
    assert (done.returncode, mirror.left()) == (0, ["pod-upgrade-trigger"]), done
    assert mirror.target.read_bytes() == PROGRAM and os.access(mirror.target, os.X_OK)


def test_what_the_environment_does_not_say_the_environment_file_does(mirror: Mirror) -> None:
    """As on a machine whose program was damaged: the timer's environment names no repository."""
    file = mirror.root / ".config/pod-upgrade-trigger-http.env"
    file.parent.mkdir()
    file.write_text(f"PODUP_RELEASE_REPO=a/b\n PODUP_RELEASE_API_URL='{mirror.url}'\n#TARGET_BIN=/x\n")
    nothing = dict.fromkeys(("PODUP_RELEASE_REPO", "PODUP_RELEASE_API_URL"), "")
    mirror.target.parent.mkdir()
    mirror.target.write_bytes(b"damaged")
    done = mirror.install(**nothing)
    assert (done.returncode, mirror.target.read_bytes()) == (0, PROGRAM), done


BAD: dict[str, Callable[[Mirror], None]] = {
    "one bit is off": lambda mirror: mirror.publish(PROGRAM.replace(b"1.0.0", b"1.0.1")),
    "truncated": lambda mirror: mirror.publish(PROGRAM[:-5]),
    "the checksum of another file": lambda mirror: mirror.publish(
        b"#!/bin/sh\n", f"{digest(LATEST)}  latest\n"
    ),
    "a checksum with a path": lambda mirror: mirror.publish(checksum=f"{SUM}  ./{NAME}\n"),
    "two entries": lambda mirror: mirror.publish(checksum=f"{SUM}  {NAME}\n" * 2),
    "63 digits": lambda mirror: mirror.publish(checksum=f"{SUM[:-1]}  {NAME}\n"),
    "a page": lambda mirror: mirror.publish(checksum="<html>not here</html>\n"),
    "an empty checksum": lambda mirror: mirror.publish(checksum=""),
    "no checksum": lambda mirror: (mirror.assets / f"{NAME}.sha256").unlink(),
    "no program": lambda mirror: (mirror.assets / NAME).unlink(),
    "a program that does not start": lambda mirror: mirror.publish(
        BROKEN, f"{digest(BROKEN)}  {NAME}\n"
    ),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_release_is_not(mirror: Mirror, how: str) -> None:
    BAD[how](mirror)
    done = mirror.install()
    assert done.returncode == 1 and "error: " in done.stderr, done
    assert mirror.left() == []


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen")
def test_with_signers_a_good_signature_is_wanted(mirror: Mirror, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("ours", "theirs"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(keys / name)]
        subprocess.run(words, check=True)
    (keys / "signers").write_text(f"release {(keys / 'ours.pub').read_text()}")
    signers = {"PODUP_RELEASE_ALLOWED_SIGNERS": str(keys / "signers")}
    assert "without signature" in mirror.install(**signers).stderr and mirror.left() == []
    for name, code in (("theirs", 1), ("ours", 0)):
        asset, signature = mirror.assets / NAME, mirror.assets / f"{NAME}.sig"
        signature.unlink(missing_ok=True)
        words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(keys / name), "-n", "file", str(asset)]
        subprocess.run(words, check=True, capture_output=True)
        done = mirror.install(**signers)
        assert (done.returncode, bool(mirror.left())) == (code, code == 0), done


WITHOUT_CURL = (
    "busybox", "chmod", "dash", "dirname", "grep", "mkdir", "mktemp", "mv", "rm", "sed", "sh", "sha256sum",
    "timeout", "tr", "wget",
)  # fmt: skip


@pytest.fixture
def wget_only(mirror: Mirror) -> dict[str, str]:
    tools = mirror.root / "tools"
    tools.mkdir()
    for name in WITHOUT_CURL:
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    if not (tools / "wget").exists():
        pytest.skip("there is no wget")
    return {"PATH": str(tools)}


def test_by_wget(mirror: Mirror, wget_only: dict[str, str]) -> None:
    assert (mirror.install(**wget_only).returncode, mirror.left()) == (0, ["pod-upgrade-trigger"])
    mirror.target.unlink()
    mirror.publish(PROGRAM + b"more")
    done = mirror.install(**wget_only)
    assert done.returncode == 1 and "does not match" in done.stderr and mirror.left() == []


def test_a_program_larger_than_any_is_not_taken(mirror: Mirror, wget_only: dict[str, str]) -> None:
    with (mirror.assets / NAME).open("r+b") as file:
        file.truncate(70 * 1024 * 1024)
    for settings in ({}, wget_only):
        done = mirror.install(**settings)
        assert done.returncode == 1 and "cannot download" in done.stderr and mirror.left() == [], done


def test_a_target_that_is_a_directory(mirror: Mirror) -> None:
    mirror.target.mkdir(parents=True)
    done = mirror.install()
    assert done.returncode == 1 and "is a directory" in done.stderr and "TARGET_BIN" in done.stderr
    assert list(mirror.target.iterdir()) == []
