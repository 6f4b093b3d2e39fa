"""Start a lab: its directory, its cgroup, its namespaces; and leave nothing behind.

A run lives in /var/tmp/podup-lab/run-XXXX, locked by its living process. A killed run is removed by the next.
Starting and ending have deadlines; what is passed over them is said, and the run is ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from account import ensure_account

ROOT = Path("/var/tmp/podup-lab")
CACHE = ROOT / "cache"
REPOSITORY = Path(__file__).resolve().parents[3]
CANNOT_RUN = 77
DID_NOT_START = 1
QUEUE_S = 180.0  # for the start of another lab, which may have dead ones to remove
PROBE_S = 60.0
END_S = 60.0
ENDED = "ended"  # made in a run's directory when its command has ended
TOOLS = (
    "unshare", "setpriv", "mount", "newuidmap", "useradd", "busctl", "systemctl", "journalctl",
    "podman", "crun", "conmon", "busybox", "docker-registry",
    "/lib/systemd/systemd", "/lib/systemd/systemd-journald",
)
UNSHARE = (
    "unshare", "--mount", "--cgroup", "--pid", "--fork", "--mount-proc", "--propagation", "private",
)
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
PROBES = (
    ("no namespaces and mounts of its own", (*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/run")),
    ("no user namespaces for rootless Podman", (*NOBODY, "unshare", "--user", "true")),
)
NOT_COPIED = shutil.ignore_patterns(
    ".git", "__pycache__", "*.pyc", ".*_cache", ".venv", "venv", "build", "node_modules", "*.egg-info"
)


def main(arguments: list[str]) -> int:
    try:
        obstacle = find_obstacle()
        if obstacle:
            print(f"scripts/lab: cannot run here: {obstacle}", file=sys.stderr)
            return CANNOT_RUN
        return run_lab(arguments)
    except (TimeoutError, subprocess.SubprocessError) as fault:
        print(f"scripts/lab: did not come up: {fault}", file=sys.stderr)
        return DID_NOT_START


def run_lab(arguments: list[str]) -> int:
    """The command's exit code. Raises TimeoutError when another lab does not finish starting."""
    os.umask(0o022)
    ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    with locked(ROOT / ".starting"):
        remove_dead_runs()
        account = ensure_account()
        lay_out_cache(account.pw_uid, account.pw_gid)
        run = Path(tempfile.mkdtemp(prefix="run-", dir=ROOT))
        run.chmod(0o755)
        living = contextlib.ExitStack()
        living.enter_context(locked(run / "lock"))
    cgroup = cgroup_tree() / f"podup-lab-{run.name}"
    with living:
        try:
            lay_out_home(run / "home", account.pw_uid, account.pw_gid)
            cgroup.mkdir()
            return start_inside(run, cgroup, arguments)
        finally:
            remove_cgroup(cgroup)
            shutil.rmtree(run, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a kernel lock on `path`.

    Raises BlockingIOError when another holds it and `wait` is False, TimeoutError when it does so for long.
    """
    deadline = time.monotonic() + (QUEUE_S if wait else 0)
    with path.open("w") as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait:
                    raise
            if time.monotonic() > deadline:
                raise TimeoutError(f"another lab holds {path} for more than {QUEUE_S:.0f} s")
            time.sleep(0.05)
        yield


def find_obstacle() -> str | None:
    """Why the lab cannot run on this machine, in one sentence; None when it can."""
    if os.geteuid() != 0:
        return "it needs root (to mount, and to make a cgroup and a user account)"
    path = "/usr/local/sbin:/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")
    missing = [Path(tool).name for tool in TOOLS if not shutil.which(tool, path=path)]
    if missing:
        return f"{', '.join(missing)} missing; scripts/lab install gets what is needed"
    try:
        tree = cgroup_tree()
    except LookupError as error:
        return str(error)
    if not os.access(tree, os.W_OK) or os.statvfs(tree).f_flag & os.ST_RDONLY:
        return f"the cgroup tree {tree} is not writable"
    for what, probe in PROBES:
        tried = subprocess.run(probe, capture_output=True, text=True, timeout=PROBE_S)
        if tried.returncode:
            return f"{what}: {tried.stderr.strip()}"
    return None


def cgroup_tree() -> Path:
    """Where the cgroup2 tree is mounted: /sys/fs/cgroup, or below it beside the older controllers."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount_point, kind = line.split()[4], line.split(" - ")[1].split()[0]
        if kind == "cgroup2":
            return Path(mount_point)
    raise LookupError("no cgroup2 tree is mounted")


def lay_out_home(home: Path, uid: int, gid: int) -> None:
    """The user's home of this run, with a copy of the repository the user may read and write."""
    home.mkdir()
    shutil.copytree(REPOSITORY, home / "repo", ignore=NOT_COPIED, symlinks=True)
    for directory, _, names in os.walk(home):
        os.chown(directory, uid, gid)
        for name in names:
            os.chown(os.path.join(directory, name), uid, gid, follow_symlinks=False)


def lay_out_cache(uid: int, gid: int) -> None:
    """What is costly to make and the same for every run: the built base image."""
    CACHE.mkdir(mode=0o755, exist_ok=True)
    os.chown(CACHE, uid, gid)


def start_inside(run: Path, cgroup: Path, arguments: list[str]) -> int:
    """Run inside.py as process 1 of the lab; its end is the end of all that ran there."""
    inside = run / "home/repo/tests/lab/host/inside.py"
    command = [
        "setpriv", "--pdeathsig", "KILL", *UNSHARE, "--kill-child",
        sys.executable, "-B", str(inside), str(run), *arguments,
    ]

    def enter_cgroup() -> None:
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))

    process = subprocess.Popen(command, preexec_fn=enter_cgroup)

    def pass_on(number: int, _: object) -> None:
        # unshare ignores them while it waits; a terminal's Ctrl-C has reached the inside already
        if number != signal.SIGINT:
            for child in children(process.pid):
                os.kill(child, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    try:
        return end_of(process, run / ENDED)
    finally:
        process.kill()


def end_of(process: subprocess.Popen[bytes], ended: Path) -> int:
    """Its exit code. The command may take its time; the kernel, to end what it has left, may not."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=5)
        if ended.exists() and time.time() - ended.stat().st_mtime > END_S:
            print(f"scripts/lab: it did not end within {END_S:.0f} s of its command", file=sys.stderr)
            return DID_NOT_START


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def remove_cgroup(cgroup: Path) -> None:
    """End what is left in it and remove it, innermost directory first."""
    if not cgroup.exists():
        return
    with contextlib.suppress(OSError):
        (cgroup / "cgroup.kill").write_text("1")
    for _ in range(50):
        for directory, _, _ in os.walk(cgroup, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        if not cgroup.exists():
            return
        time.sleep(0.1)
    print(f"scripts/lab: {cgroup} could not be removed", file=sys.stderr)


def remove_dead_runs() -> None:
    """What runs left that were killed before they could clean up; a living run holds its lock."""
    for run in ROOT.glob("run-*"):
        with contextlib.suppress(OSError), locked(run / "lock", wait=False):
            remove_cgroup(cgroup_tree() / f"podup-lab-{run.name}")
            shutil.rmtree(run, ignore_errors=True)
    for cgroup in cgroup_tree().glob("podup-lab-run-*"):
        if not (ROOT / cgroup.name.removeprefix("podup-lab-")).exists():
            remove_cgroup(cgroup)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
