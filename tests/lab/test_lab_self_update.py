"""The program updates itself under a real systemd: to a good release, and back from a broken one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from labkit.commands import eventually, run
from labkit.daemon import Daemon
from labkit.releases import Mirror, broken_version, build_version, mirror
from labkit.webhooks import request

NEXT = "99.0.0"
AFTER = "99.1.0"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_version(NEXT, tmp_path_factory.mktemp("good"))


@pytest.fixture
def releases(daemon: Daemon) -> Iterator[Mirror]:
    """A mirror of releases the daemon looks at."""
    if "self-update" not in run(str(daemon.program), "--help"):
        pytest.skip("the program has no self-update yet")
    with mirror() as found:
        daemon.settings |= found.settings()
        daemon.stop()
        daemon.install()
        daemon.start()
        yield found


def version(daemon: Daemon) -> str:
    try:
        return str(request(f"{daemon.url}/health").body["version"])
    except OSError:
        return ""


def test_a_newer_release_is_taken(daemon: Daemon, releases: Mirror, good: Path) -> None:
    before = daemon.program.read_bytes()
    releases.publish(NEXT, good)
    done = daemon.command("self-update", timeout_s=180)
    assert done.returncode == 0, done
    eventually("the new version answers", lambda: version(daemon) == NEXT)
    assert daemon.program.read_bytes() == good.read_bytes()
    assert daemon.program.with_name("pod-upgrade-trigger.old").read_bytes() == before


def test_a_dry_run_changes_nothing(daemon: Daemon, releases: Mirror, good: Path) -> None:
    before = version(daemon), daemon.program.stat()
    releases.publish(NEXT, good)
    done = daemon.command("self-update", "--dry-run", timeout_s=60)
    assert done.returncode == 0, done
    assert (version(daemon), daemon.program.stat()) == before


def test_a_damaged_download_is_refused(daemon: Daemon, releases: Mirror, good: Path) -> None:
    before = version(daemon)
    releases.publish(NEXT, good, sha256="0" * 64)
    done = daemon.command("self-update", timeout_s=60)
    assert done.returncode != 0, done
    assert version(daemon) == before


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("raise SystemExit(1)\n", id="exits at once"),
        pytest.param(
            "import sys, runpy\nif 'http-server' in sys.argv: raise SystemExit(1)\n"
            "from podup.__main__ import main\nsys.exit(main())\n",
            id="passes the dry start and never serves",
        ),
    ],
)
def test_a_broken_release_is_taken_back(
    daemon: Daemon, releases: Mirror, good: Path, tmp_path: Path, code: str
) -> None:
    before, program = version(daemon), daemon.program.read_bytes()
    releases.publish(AFTER, broken_version(good, code, tmp_path))
    done = daemon.command("self-update", timeout_s=300)
    assert done.returncode != 0, done
    eventually("the old version answers", lambda: version(daemon) == before)
    assert daemon.program.read_bytes() == program
    again = daemon.command("self-update", timeout_s=60)
    assert version(daemon) == before, again
