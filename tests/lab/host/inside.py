"""Process 1 of a lab: mounts, the journal, a user's systemd, a registry; then one command as that user.

Called by outside.py in new mount, cgroup and pid namespaces. When it ends, the kernel ends all others.
"""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from account import NAME
from containers import configure_containers, start_registry, trust_plain_http

CGROUPS = Path("/sys/fs/cgroup")
MACHINE_ID = Path("/etc/machine-id")
JOURNAL_LINES_SHOWN = 150
PASSED_ON = ("TERM", "COLUMNS", "LINES", "NO_COLOR", "CI", "PYTEST_ADDOPTS")
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class User:
    uid: int
    gid: int
    home: Path

    @property
    def runtime(self) -> Path:
        return Path(f"/run/user/{self.uid}")

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home), "USER": NAME, "LOGNAME": NAME, "SHELL": "/bin/bash", "LANG": "C.UTF-8",
            "PATH": f"{self.home}/.local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin",
            "XDG_RUNTIME_DIR": str(self.runtime),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.runtime}/bus",
        }


class LabFault(Exception):
    """The lab itself did not come up."""


def main(arguments: list[str]) -> int:
    run, (what, *words) = Path(arguments[0]), arguments[1:]
    account = pwd.getpwnam(NAME)
    user = User(account.pw_uid, account.pw_gid, Path(account.pw_dir))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        mount_all(run, user)
        start_journal()
        start_user_manager(user)
        registry, _ = start_registry(Path("/run/podup-lab-registry"))
        configure_containers(user.home)
        trust_plain_http(user.home, registry)
        give_to(user, user.home / ".config", user.home / ".local")
    except (LabFault, OSError, subprocess.SubprocessError) as fault:
        print(f"scripts/lab: did not come up: {fault}", file=sys.stderr)
        show_journal()
        return 1
    surroundings = {"LAB_REGISTRY": registry, "LAB_CACHE": str(run.parent / "cache")}
    code = run_as(user, command_for(what, words), surroundings)
    (run / "ended").touch()
    if code and what != "shell":
        show_journal()
    return code


def give_to(user: User, *trees: Path) -> None:
    for tree in trees:
        for path in (tree, *tree.rglob("*")):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)


def mount_all(run: Path, user: User) -> None:
    """Give the lab its own /run, /tmp, /var/log, /home/USER and cgroup tree; unseen outside."""
    temporary = run / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    subprocess.run(["umount", "--recursive", "--lazy", str(CGROUPS)], capture_output=True, timeout=DEADLINE_S)
    mount("-t", "cgroup2", "cgroup2", str(CGROUPS))
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/log")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")  # labs would share Podman's locks there
    mount("--bind", str(run / "home"), str(user.home))
    if not MACHINE_ID.exists() or not MACHINE_ID.read_text().strip():
        name_machine()
    mount("--bind", str(temporary), "/tmp")
    open_devices()
    mount("--make-rshared", "/")  # rootless Podman warns otherwise
    for directory in ("/run/systemd/system", "/run/systemd/journal", "/run/lock", "/run/user"):
        Path(directory).mkdir(parents=True)
    user.runtime.mkdir(mode=0o700)
    os.chown(user.runtime, user.uid, user.gid)


def open_devices() -> None:
    """Open to the user what Debian opens to all: tun for container networks, fuse for their storage."""
    for device in (Path("/dev/net/tun"), Path("/dev/fuse")):
        if device.exists() and device.stat().st_mode & 0o006 != 0o006:
            own = Path("/run", f"podup-lab-{device.name}")
            os.mknod(own, stat.S_IFCHR, device.stat().st_rdev)
            own.chmod(0o666)
            mount("--bind", str(own), str(device))


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, timeout=DEADLINE_S)
    if done.returncode:
        raise LabFault(f"mount {' '.join(arguments)}: {done.stderr.strip()}")


def name_machine() -> None:
    """A bare container image has an empty machine id; the journal's directory is named by it."""
    MACHINE_ID.touch()
    own = Path("/run/podup-lab-machine-id")
    own.write_text(os.urandom(16).hex() + "\n")
    mount("--bind", str(own), str(MACHINE_ID))


def start_journal() -> None:
    Path("/var/log/journal", MACHINE_ID.read_text().strip()).mkdir(parents=True)
    start_quietly(["/lib/systemd/systemd-journald"])
    wait_until("the journal answers", lambda: Path("/run/systemd/journal/socket").exists())
    subprocess.run(["journalctl", "--flush"], check=True, capture_output=True, timeout=DEADLINE_S)


def start_user_manager(user: User) -> None:
    """`systemd --user` in the cgroup a login gives it: the journal tells its units by that path."""
    slice_ = CGROUPS / f"user.slice/user-{user.uid}.slice"
    manager = slice_ / f"user@{user.uid}.service"
    (manager / "init.scope").mkdir(parents=True)
    (slice_ / "session-1.scope").mkdir()
    for directory in (manager, manager / "init.scope"):
        for name in (".", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"):
            os.chown(directory / name, user.uid, user.gid)
    # a login's manager asks the system's to move processes between scopes; here it may do so itself
    os.chown(slice_ / "cgroup.procs", user.uid, user.gid)
    # its standard error is not the journal, so it would not find out by itself where to log
    command = [*become(user), "/lib/systemd/systemd", "--user", "--log-target=journal"]
    start_quietly(command, manager / "init.scope", user)
    wait_until("the user's bus is there", lambda: (user.runtime / "bus").exists())
    wait_until("the user's systemd is up", lambda: manager_state(user) in ("running", "degraded"))


def manager_state(user: User) -> str:
    asked = subprocess.run(
        [*become(user), "systemctl", "--user", "is-system-running"],
        env=user.environment(), capture_output=True, text=True, timeout=DEADLINE_S,
    )
    return asked.stdout.strip()


def become(user: User) -> list[str]:
    return ["setpriv", "--reuid", str(user.uid), "--regid", str(user.gid), "--init-groups"]


def start_quietly(command: list[str], cgroup: Path | None = None, user: User | None = None) -> None:
    subprocess.Popen(
        command, preexec_fn=lambda: enter(cgroup), env=user.environment() if user else None,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd="/",
    )


def enter(cgroup: Path | None) -> None:
    if cgroup:
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise LabFault(f"not within {DEADLINE_S:.0f} s: {what}")
        time.sleep(0.02)


def command_for(what: str, words: list[str]) -> list[str]:
    if what == "shell":
        # script(1) gives the shell a terminal of this pid namespace, or it has no job control
        return ["script", "--quiet", "--return", "--command", "bash --norc -i", "/dev/null"]
    if what == "demo":
        return ["python3", "-B", "tests/lab/demo.py", *words]
    return words or ["true"]


def run_as(user: User, command: list[str], surroundings: dict[str, str]) -> int:
    """Its exit code, run in a login session's cgroup; orphans are collected meanwhile, as process 1 must."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    scope = CGROUPS / f"user.slice/user-{user.uid}.slice/session-1.scope"
    try:
        process = subprocess.Popen(
            [*become(user), *command], preexec_fn=lambda: enter(scope), cwd=user.home / "repo",
            env={**passed_on, **user.environment(), **surroundings},
        )
    except OSError as error:
        print(f"scripts/lab: {error}", file=sys.stderr)
        return 127
    while True:
        try:
            pid, status = os.wait()
        except KeyboardInterrupt:
            continue  # the command got it too, and decides
        if pid == process.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def show_journal() -> None:
    sources = ["_TRANSPORT=stdout", "_TRANSPORT=journal", "_TRANSPORT=syslog"]
    style = ["--no-pager", "--quiet", "--output=short-precise", f"--lines={JOURNAL_LINES_SHOWN}"]
    try:
        shown = subprocess.run(["journalctl", *style, *sources], capture_output=True, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired as late:
        print(f"scripts/lab: {late}", file=sys.stderr)
        return
    if shown.stdout:
        sys.stdout.flush()
        print(f"--- the lab's journal, last {JOURNAL_LINES_SHOWN} lines ---", file=sys.stderr, flush=True)
        sys.stderr.buffer.write(shown.stdout)
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
