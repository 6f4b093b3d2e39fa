"""The built program run from where it was downloaded to, with nothing that could be updated at TARGET_BIN.

What can be told is told: the running version, the newest release, the history. An update is refused, and says
what to do.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from programs import publish, serving
from test_update_strace import Place
from waiting import eventually, free_port

pytestmark = pytest.mark.slow

OLD, NEW, TOKEN = "1.0.0", "1.1.0", "the-operators-token"
TARGETS = {
    "nothing": "target-missing",
    "a directory": "target-not-a-file",
    "a link to itself": "target-missing",
}
NEED_THE_FILE = (("self-update",), ("self-update", "--dry-run"), ("rollback-self", "--last-good"))


@dataclass
class Downloaded(Place):
    """The program beside the place it would be installed at."""

    program: Path = Path()
    runtime: str = ""  # of its own: the path of a socket in it ends at 107 bytes
    port: int = field(default_factory=free_port)

    def environment(self) -> dict[str, str]:
        own = {"PODUP_HTTP_ADDR": f"127.0.0.1:{self.port}", "PODUP_TOKEN": TOKEN}
        own["XDG_RUNTIME_DIR"] = self.runtime
        return {**super().environment(), **own}

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        asked = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/livez")[0] == 200
        except OSError:
            return False


@pytest.fixture(scope="module", params=TARGETS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, built: Path, newer: Path
) -> Iterator[tuple[Downloaded, str]]:
    root = tmp_path_factory.mktemp("downloaded")
    with serving(root / "mirror") as url, tempfile.TemporaryDirectory(prefix="podup-") as runtime:
        publish(root / "mirror", NEW, newer)
        program = Path(shutil.copy2(built, root / "downloaded.pyz"))
        found = Downloaded(root / "host", url, program, runtime)
        found.target.parent.mkdir(parents=True)
        if request.param == "a directory":
            found.target.mkdir()
        elif request.param != "nothing":
            found.target.symlink_to(found.target.name)
        words = [sys.executable, str(found.program), "http-server"]
        with (root / "log").open("wb") as log:
            daemon = subprocess.Popen(words, env=found.environment(), stdout=log, stderr=log)
        try:
            eventually(found.answers)
            yield found, TARGETS[request.param]
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(timeout=20) == 0
        finally:
            daemon.kill()
            print((root / "log").read_text()[-3000:])


def test_the_api_tells_what_it_can(place: tuple[Downloaded, str]) -> None:
    host, code = place
    status, shown = host.ask("GET", "/api/self-update")
    assert (status, shown["version"], shown["installed"], shown["history"]) == (200, OLD, "", [])
    assert shown["problem"]["code"] == code and shown["problem"]["hint"]
    status, checked = host.ask("GET", "/api/version/check")
    told = (checked["current"], checked["newest"], checked["update_available"])
    assert (status, told) == (200, (OLD, NEW, True))


def test_the_api_refuses_what_needs_the_file(place: tuple[Downloaded, str]) -> None:
    host, code = place
    for path, body in (("run", {}), ("run", {"dry_run": True}), ("rollback", {"last_good": True})):
        status, problem = host.ask("POST", f"/api/self-update/{path}", json.dumps(body).encode())
        assert (status, problem["error"]["code"]) == (409, code)
        assert problem["error"]["hint"]


def test_commands_tell_what_they_can(place: tuple[Downloaded, str]) -> None:
    host, _ = place
    program = str(host.program)
    checked = host.run(program, "self-update", "--check")
    assert (checked.returncode, checked.stdout) == (0, f"{OLD} -> {NEW} is available\n"), checked
    assert "no update can be made" in checked.stderr and "TARGET_BIN" in checked.stderr
    told = json.loads(host.run(program, "self-update", "--check", "--json").stdout)
    assert told == {"current": OLD, "newest": NEW, "update_available": True, "reason": ""}
    history = host.run(program, "history")
    assert (history.returncode, f"installed: none at {host.target}" in history.stdout) == (0, True), history
    assert host.run(program, "self-update", "rejected", "list").returncode == 0
    assert host.run(program, "self-update", "--clear-hold").returncode == 1
    assert host.run(program, "boot-guard").returncode == 0


@pytest.mark.parametrize("words", NEED_THE_FILE)
def test_commands_refuse_what_needs_the_file(
    place: tuple[Downloaded, str], words: tuple[str, ...]
) -> None:
    host, _ = place
    refused = host.run(str(host.program), *words)
    assert refused.returncode == 3 and "hint: " in refused.stderr and "TARGET_BIN" in refused.stderr
