"""Layer 1 as process 1 of a real container, updating a checkout from a repository on another host."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from host.containers import free_port
from labkit import python_image
from labkit.commands import eventually, run
from labkit.layer1 import Container, image
from labkit.webhooks import request

pytestmark = pytest.mark.skipif(bool(python_image.missing()), reason=python_image.missing())

PARTS = ("podup", "scripts", "migrations", "systemd")
WHEEL = "tiny-1.0-py3-none-any.whl"


class Repository:
    """This program under version control, served by git-daemon(1)."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root / "podup", free_port()
        self.root.mkdir()
        for name in PARTS:
            run("cp", "-r", name, str(self.root / name))
        self.git("init", "--quiet", "--initial-branch=main")
        (self.root / "vendor").mkdir()
        with zipfile.ZipFile(self.root / "vendor" / WHEEL, "w") as wheel:
            about = "tiny-1.0.dist-info"
            wheel.writestr("tiny.py", "ANSWER = 42\n")
            wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            names = ("tiny.py", f"{about}/METADATA", f"{about}/WHEEL", f"{about}/RECORD")
            wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in names))
        self.commit("1.0.0")
        words = ["git", "daemon", "--export-all", f"--base-path={root}", "--listen=127.0.0.1"]
        self.server = subprocess.Popen([*words, f"--port={self.port}", "--reuseaddr"])

    @property
    def url(self) -> str:
        return f"git://127.0.0.1:{self.port}/podup"

    def git(self, *words: str) -> str:
        about = ("-c", "user.name=lab", "-c", "user.email=lab@example.org")
        return run("git", "-C", str(self.root), *about, *words)

    def commit(self, version: str, requirements: str = "", *, first: str = "") -> str:
        """Commit a version that needs these, and whose program begins with the words `first`; its id."""
        (self.root / "podup/__main__.py").write_text(first + Path("podup/__main__.py").read_text())
        path = self.root / "podup/version.py"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(f'VERSION = "{version}"\n' if x.startswith("VERSION") else x for x in lines))
        (self.root / "requirements.txt").write_text(requirements)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", version)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    found = Repository(tmp_path)
    yield found
    found.server.terminate()
    found.server.wait(30)


@pytest.fixture
def container(registry: str, repository: Repository, request: pytest.FixtureRequest) -> Iterator[Container]:
    settings = {"UPDATE_SOURCE": "git", "UPDATE_REPOSITORY": repository.url, **getattr(request, "param", {})}
    found = Container(image(registry), settings)
    found.start()
    try:
        found.wait_for("1.0.0")
        yield found
    finally:
        print(found.log()[-4000:])
        found.remove()


def ask(container: Container) -> None:
    """Ask for an update by the signal to process 1."""
    container.inside("kill -USR1 1")


def test_a_checkout_is_updated_with_what_it_needs_and_taken_back(
    container: Container, repository: Repository
) -> None:
    container.inside("mkdir /app/data && echo mine >/app/data/kept && echo mine >/app/unknown-to-git")
    good = repository.commit("1.1.0", f"/app/vendor/{WHEEL}\n")
    ask(container)
    eventually("the update has begun", container.is_updating)
    container.wait_for("1.1.0")
    assert container.inside("python3 -c 'import tiny; print(tiny.ANSWER)'") == "42"
    assert container.inside("git -C /app rev-parse HEAD") == good
    repository.commit("1.2.0", "/app/vendor/there-is-none.whl\n")
    update = "cd /app && python3 -m podup self-update >&2; echo $?"
    assert container.inside(update, timeout_s=120) == "1", "pip fails beside the code that runs"
    needy = "import tiny\nif tiny.ANSWER != 43: raise SystemExit('another tiny')\n"
    repository.commit("1.3.0", f"/app/vendor/{WHEEL}\n# once more\n", first=needy)
    assert container.inside(update, timeout_s=120) == "1", "so does its start, with its packages"
    assert "another tiny" in container.inside("cat /state/update.log")
    container.wait_for("1.1.0")
    assert container.inside("git -C /app rev-parse HEAD") == good
    assert container.inside("cat /app/data/kept /app/unknown-to-git") == "mine\nmine"
    kept = container.inside("cd /state/backups/auto_update && ls")
    assert kept.count("code_backup_") == 1 and ".db." in kept, kept
    repository.server.terminate()
    assert container.inside(update) == "1", "nobody answers: nothing is changed"
    assert container.stop() == 0


LONG_TRIAL = {"PODUP_UPDATE_SETTLE_SECS": "60", "PODUP_UPDATE_TRIAL_SECS": "120"}


@pytest.mark.parametrize("container", [LONG_TRIAL], indirect=True)
def test_maintenance_and_a_power_cut_in_the_trial(container: Container, repository: Repository) -> None:
    before = container.inside("git -C /app rev-parse HEAD")
    repository.commit("1.1.0")
    ask(container)
    eventually("the new code is on trial", lambda: container.version() == "1.1.0", timeout_s=60)
    assert container.health()["status"] == "maintenance"
    page = request(f"http://127.0.0.1:{container.port}/")
    assert page.status == 503 and page.headers["retry-after"]
    container.cut_power()
    container.start_again()
    container.wait_for("1.0.0")
    assert container.inside("git -C /app rev-parse HEAD") == before
