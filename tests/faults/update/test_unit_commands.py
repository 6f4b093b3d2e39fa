"""What the units run, with the environment the system's manager gives an instance of root's: no HOME."""

import shlex
import subprocess
from pathlib import Path

import pytest

from podup.update import installation

PATH = "/usr/local/bin:/usr/bin:/bin"


def started(unit: str, option: str, home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the unit as systemd.service(5) says, its specifiers and doubled signs resolved."""
    lines = installation.unit_files()[unit].decode().replace("%h", str(home)).splitlines()
    given = dict(line.partition("=")[2].split("=", 1) for line in lines if line.startswith("Environment="))
    [command] = [line.partition("=")[2] for line in lines if line.startswith(f"{option}=")]
    argv = shlex.split(command.removeprefix("-").replace("$$", "$"))
    env = {"PATH": PATH, **given, **settings}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/usr/bin/env python3\nimport sys\nprint({says!r}, *sys.argv[1:])\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("state", [".local/state", "elsewhere"])
def test_the_good_copy_guards_the_start(tmp_path, state):
    program(tmp_path / ".local/bin/pod-upgrade-trigger", "the target:")
    settings = {} if state == ".local/state" else {"XDG_STATE_HOME": str(tmp_path / state)}
    unit = f"{installation.HTTP}.service"
    assert started(unit, "ExecStartPre", tmp_path, **settings).stdout == "the target: boot-guard\n"
    program(tmp_path / state / "pod-upgrade-trigger/releases/good.pyz", "the good copy:")
    assert started(unit, "ExecStartPre", tmp_path, **settings).stdout == "the good copy: boot-guard\n"


def test_the_updater_runs_and_leaves_its_report(tmp_path):
    scripts = tmp_path / ".local/share/pod-upgrade-trigger/scripts"
    scripts.mkdir(parents=True)
    for name, data in installation.script_files().items():
        (scripts / name).write_bytes(data)
        (scripts / name).chmod(0o755)
    done = started(f"{installation.UPDATER}.service", "ExecStart", tmp_path, UPDATE_SCRIPT="/bin/false")
    assert (done.returncode, done.stderr) == (1, "")
    assert len(list(tmp_path.glob(".local/state/pod-upgrade-trigger/self-update-reports/*.json"))) == 1
