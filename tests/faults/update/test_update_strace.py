"""The built program updates itself while the kernel refuses one of its calls (strace(1), -e inject).

In-process numbering reaches every effect of ours; this reaches what is below it: the calls the interpreter
and SQLite really make, in the command and in the process it starts. `--full` refuses each call up to where
none is left to refuse.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from programs import publish, serving

pytestmark = pytest.mark.slow

OLD, NEW = "1.0.0", "1.1.0"
FAULTS = {
    "fsync-EIO": ("fsync,fdatasync", "EIO", (1, 7, 15, 23, 31)),
    "rename-EIO": ("/^rename", "EIO", (2, 6, 9)),
    "rename-EROFS": ("/^rename", "EROFS", (4, 8)),
    "link-EROFS": ("/^link", "EROFS", (1,)),
    "write-ENOSPC": ("/^p?write(64)?$", "ENOSPC", (9, 40)),
    "mkdir-ENOSPC": ("/^mkdir", "ENOSPC", (2,)),
}


def why_not() -> str:
    """Return why calls cannot be refused here, empty when they can."""
    if shutil.which("strace") is None:
        return "there is no strace"
    inject = ["-o", os.devnull, "-e", "inject=mkdir:error=EIO:when=1"]
    done = subprocess.run(["strace", "-f", *inject, "mkdir", "/proc/nowhere"], capture_output=True, text=True)
    return "" if "Input/output error" in done.stderr else f"ptrace(2) is not allowed: {done.stderr[-100:]}"


@dataclass
class Place:
    """An installed program and a mirror that has a newer one."""

    root: Path
    mirror: str

    @property
    def target(self) -> Path:
        return self.root / "bin/pod-upgrade-trigger"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.root),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere",
            "PODUP_STATE_DIR": str(self.state),
            "PODUP_HTTP_ADDR": "127.0.0.1:9",
            "TARGET_BIN": str(self.target),
            "PODUP_RELEASE_REPO": "a/b",
            "PODUP_RELEASE_API_URL": self.mirror,
            "PODUP_RELEASE_BASE_URL": self.mirror,
        }

    def run(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        argv = [*before, sys.executable, *words]
        about = {"capture_output": True, "text": True, "timeout": 120, "stdin": subprocess.DEVNULL}
        return subprocess.run(argv, env=self.environment(), **about)

    def files(self) -> dict[str, bytes]:
        """All but what is counted or locked at every start."""
        moving = (".lock", ".flock", "-wal", "-shm", "update.log", "starts.json")
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not path.name.endswith(moving)
        }


@pytest.fixture(scope="module")
def installed(tmp_path_factory, built, newer):
    """A place before its update, to be copied."""
    if why := why_not():
        pytest.skip(why)
    root = tmp_path_factory.mktemp("place")
    with serving(root / "mirror") as url:
        place = Place(root / "host", url)
        place.target.parent.mkdir(parents=True)
        shutil.copy2(built, place.target)
        publish(root / "mirror", NEW, newer)
        done = place.run(str(place.target), "token", "create", "one")
        assert done.returncode == 0, done
        for program in (place.target, newer):  # compiled code may be lost: refusing its writes tells nothing
            assert place.run(str(program), "boot-check").returncode == 0
        yield place


def update(installed: Place, root: Path, calls: str, error: str, when: int) -> tuple[int, int]:
    """Update a copy of the place with call number `when` refused; return exit code and refused calls."""
    shutil.copytree(installed.root, root)
    place = Place(root, installed.mirror)
    log = root.with_suffix(".strace")
    inject = ("-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when={when}")
    before = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", str(log), *inject)
    done = place.run(str(place.target), "self-update", before=before)
    refused = log.read_text().count("(INJECTED)")
    assert done.returncode in (0, 1, 2, 3, 4, 75), done
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode != 0:
        assert refused, done
        assert re.search(r"cannot|failed|no good|rolled back", done.stdout + done.stderr), done
    assert_at_rest(place, installed)
    return done.returncode, refused


def assert_at_rest(place: Place, installed: Place) -> None:
    """The next start recovers; then it is the old one or the new one, whole, and nothing is left over."""
    good = place.state / "releases/good.pyz"
    seen = []
    for _ in range(2):
        done = place.run(str(good if good.exists() else place.target), "boot-guard")
        assert done.returncode == 0, done
        seen.append(place.files())
    assert seen[0] == seen[1]
    says = place.run(str(place.target), "--version").stdout
    assert OLD in says or NEW in says
    assert not (place.state / "UPDATE_LOCK.json").exists()
    marks = (".new.", ".tmp", ".aside", "update-request-", "update-scratch")
    assert [path for path in place.root.rglob("*") if any(mark in path.name for mark in marks)] == []
    tokens = json.loads(place.run(str(place.target), "token", "list", "--json").stdout)
    assert [token["name"] for token in tokens["tokens"]] == ["one"]


CASES = [(name, when) for name, (_, _, numbers) in FAULTS.items() for when in numbers]


@pytest.mark.parametrize(("name", "when"), CASES)
def test_a_call_refused(installed, tmp_path, name, when):
    calls, error, _ = FAULTS[name]
    code, refused = update(installed, tmp_path / "host", calls, error, when)
    print(f"{name} at {when}: exit {code}, {refused} refused")
    assert refused


def test_every_call_refused(installed, tmp_path, request):
    if not request.config.getoption("--full"):
        pytest.skip("only with --full")
    for name, (calls, error, _) in FAULTS.items():
        ended: list[int] = []
        while True:
            root = tmp_path / f"{name}-{len(ended)}"
            code, refused = update(installed, root, calls, error, len(ended) + 1)
            shutil.rmtree(root)
            if not refused:
                break
            ended.append(code)
        print(f"{name}: {len(ended)} calls, one at a time; exit codes {dict(Counter(ended))}")
        assert ended
