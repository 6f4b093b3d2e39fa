"""Layer 1 as process 1 of a real container, built by the Containerfile, updating from releases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labkit import python_image
from labkit.commands import eventually, run
from labkit.layer1 import TARGET, VERSION, Container, image
from labkit.releases import Mirror, broken_version, build_version

NEXT = "99.0.0"
GOOD = "from podup.__main__ import main\nraise SystemExit(main())\n"
CRASHES = f"import sys\nif 'http-server' in sys.argv: raise SystemExit(1)\n{GOOD}"
ASKS = f"""import os, sys
if 'http-server' in sys.argv and os.path.exists('/state/ask'):
    os.unlink('/state/ask')
    raise SystemExit(10)
{GOOD}"""

pytestmark = pytest.mark.skipif(bool(python_image.missing()), reason=python_image.missing())


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_version(NEXT, tmp_path_factory.mktemp("good"))


@pytest.fixture
def started(registry: str, releases: Mirror) -> Iterator[Callable[..., Container]]:
    """Start a container whose program looks at the mirror, by `shell` when given; wait until it serves."""
    made: list[Container] = []

    def start(*shell: str, **settings: str) -> Container:
        made.append(Container(image(registry), {**releases.settings(), **settings}, shell))
        made[-1].start()
        made[-1].wait_for(VERSION)
        return made[-1]

    yield start
    for container in made:
        print(container.log()[-4000:])
        container.remove()


def put(container: Container, program: Path) -> None:
    """Put another program in the place of the target, as a bad disk or a hasty operator would."""
    run("podman", "cp", str(program), f"{container.name}:{TARGET}.put")
    container.inside(f"cp -p {TARGET}.put {TARGET}.whole && mv {TARGET}.whole {TARGET} && rm -f {TARGET}.put")


def end_program(container: Container, signal: str = "TERM") -> None:
    pid = json.loads(container.inside("cat /state/daemon.lock"))["pid"]
    container.inside(f"kill -{signal} {pid}")


def test_process_1_starts_again_reaps_and_stops(started: Callable[..., Container]) -> None:
    container = started()
    assert "entrypoint.sh" in container.inside("tr '\\0' ' ' </proc/1/cmdline")
    run("podman", "exec", "--detach", container.name, "sh", "-c", "(sleep 0.2; exit 3) & exit 0")
    end_program(container, "KILL")
    eventually("the killed program is away", lambda: not container.version())
    container.wait_for(VERSION)
    dead = "grep -l '^State:.Z' /proc/[0-9]*/status"
    eventually("no dead child is left", lambda: not container.inside(dead, check=False))
    assert "ended with 137; again in 1 s" in container.log()
    began = time.monotonic()
    assert container.stop() == 0
    assert time.monotonic() - began < 9, "podman did not have to kill it"
    assert container.log().rstrip().endswith("stopped")
    container.start_again()
    container.wait_for(VERSION)


def test_exit_10_updates(
    started: Callable[..., Container], releases: Mirror, good: Path, tmp_path: Path
) -> None:
    releases.publish(NEXT, good)
    container = started()
    put(container, broken_version(Path("dist", good.name), ASKS, tmp_path))
    container.inside("touch /state/ask")
    end_program(container)
    container.wait_for(NEXT)
    assert "an update was asked for" in container.log()
    assert "succeeded" in container.inside(f"{TARGET} history")


def test_a_power_cut_in_the_trial(
    started: Callable[..., Container], releases: Mirror, good: Path
) -> None:
    releases.publish(NEXT, good)
    container = started(PODUP_UPDATE_SETTLE_SECS="25")
    before = container.inside(f"sha256sum <{TARGET}")
    run("podman", "exec", "--detach", container.name, TARGET, "self-update")
    eventually("the new version is on trial", lambda: container.version() == NEXT, timeout_s=60)
    container.cut_power()
    container.start_again()
    container.wait_for(VERSION)
    assert container.inside(f"sha256sum <{TARGET}") == before
    assert container.inside("ls /opt/bin") == "pod-upgrade-trigger\npod-upgrade-trigger.old"


def test_a_program_that_only_crashes_goes_back(
    started: Callable[..., Container], releases: Mirror, good: Path, tmp_path: Path
) -> None:
    releases.publish(NEXT, good)
    container = started("busybox", "sh", UPDATE_LONGEST_PAUSE_SECS="2")
    container.inside(f"{TARGET} self-update")
    container.wait_for(NEXT)
    put(container, broken_version(good, CRASHES, tmp_path))
    end_program(container)
    container.wait_for(VERSION)
    said = container.log()
    pauses = [line.rpartition("again in ")[2] for line in said.splitlines() if "ended with 1;" in line]
    assert len(pauses) >= 4 and set(pauses) <= {"1 s", "2 s"} and pauses == sorted(pauses)
    assert "ERROR_SYSTEM" in said
