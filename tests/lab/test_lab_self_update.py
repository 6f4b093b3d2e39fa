"""The program updates itself under a real systemd: to a good release, and back from a broken one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from labkit.commands import eventually
from labkit.daemon import Daemon, daemon_running
from labkit.releases import NEXT, Mirror, broken_version
from labkit.webhooks import request

AFTER = "99.1.0"


@pytest.fixture
def daemon(tmp_path: Path, releases: Mirror) -> Iterator[Daemon]:
    """A daemon that looks at the mirror."""
    with daemon_running(tmp_path / "state", releases.settings()) as running:
        yield running


def version(daemon: Daemon) -> str:
    try:
        return str(request(f"{daemon.url}/health").body["version"])
    except OSError:
        return ""


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


def test_without_a_backup_the_service_comes_up_again(
    daemon: Daemon, releases: Mirror, good: Path, tmp_path: Path
) -> None:
    """The service is stopped by then."""
    before, state = version(daemon), tmp_path / "state"
    (state / "backups").mkdir(exist_ok=True)
    (state / "backups/auto_update").write_text("a file where the directory has to be")
    releases.publish(NEXT, good)
    done = daemon.command("self-update", timeout_s=120)
    assert done.returncode == 1 and "is no directory" in done.stderr, done
    eventually("the old version answers", lambda: version(daemon) == before)
    assert not (state / "UPDATE_LOCK.json").exists()
    (state / "backups/auto_update").unlink()
    assert daemon.command("self-update", timeout_s=120).returncode == 0, "it was not held against the release"


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        pytest.param("raise SystemExit(1)\n", 1, id="exits at once"),
        pytest.param(
            "import sys, runpy\nif 'http-server' in sys.argv: raise SystemExit(1)\n"
            "from podup.__main__ import main\nsys.exit(main())\n",
            4,
            id="passes the dry start and never serves",
        ),
    ],
)
def test_a_broken_release_is_taken_back(
    daemon: Daemon, releases: Mirror, good: Path, tmp_path: Path, code: str, exit_code: int
) -> None:
    before, program = version(daemon), daemon.program.read_bytes()
    releases.publish(AFTER, broken_version(good, code, tmp_path, version=AFTER))
    done = daemon.command("self-update", timeout_s=300)
    assert done.returncode == exit_code, done
    eventually("the old version answers", lambda: version(daemon) == before)
    assert daemon.program.read_bytes() == program
    again = daemon.command("self-update", timeout_s=60)
    assert (again.returncode, version(daemon)) == (3, before), again
    assert AFTER in daemon.command("self-update", "rejected", "list").stdout
