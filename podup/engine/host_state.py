"""How the host is, for /health: looked at now and then, so that asking starts no process."""

from podup.errors import PodupError
from podup.host.podman import Podman
from podup.host.systemd import NO_MANAGER, Systemd
from podup.records import dataclass

LOW_DISK_BYTES = 1 << 30
LOW_DISK_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Issue:
    """Something an operator should know: which part, what is wrong, what to do."""

    component: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class HostState:
    """A look at the host: each part is `ok`, `failed` or `unknown`; versions, and what is not well."""

    podman: str = "unknown"
    podman_version: str = ""
    systemd: str = "unknown"
    systemd_state: str = ""
    issues: tuple[Issue, ...] = ()


def look_at_host(
    podman: Podman, systemd: Systemd, *, uid: int, auto_update_unit: str, labelled: tuple[str, ...]
) -> HostState:
    """Look once, as the user `uid`. `labelled` are the managed units that ask for podman's own auto-update.

    What cannot be asked is an issue and never an error.
    """
    version, podman_issues = _ask_podman(podman)
    try:
        state = systemd.overall()
        issues = _systemd_issues(state) or [
            *_timer_issues(systemd, auto_update_unit, labelled),
            *_linger_issues(systemd, uid),
        ]
    except PodupError as error:
        state, issues = "offline", [Issue("systemd", error.message, error.hint)]
    is_there = state not in NO_MANAGER
    return HostState(
        "ok" if version else "failed",
        version,
        "ok" if is_there else "failed",
        state if is_there else "",
        (*podman_issues, *issues),
    )


def _ask_podman(podman: Podman) -> tuple[str, list[Issue]]:
    """Return its version, empty when it does not work, and what is not well."""
    try:
        version, room = podman.version(), podman.disk()
    except PodupError as error:
        return "", [Issue("podman", error.message, error.hint)]
    if room.free_bytes >= max(LOW_DISK_BYTES, LOW_DISK_SHARE * room.total_bytes):
        return version, []
    says = f"{room.free_bytes >> 20} MiB free of {room.total_bytes >> 20} MiB at {room.path}"
    return version, [Issue("disk", says, "make room, for example with `podman image prune`")]


def _systemd_issues(state: str) -> list[Issue]:
    if state not in NO_MANAGER:
        return []
    hint = "is XDG_RUNTIME_DIR set, and does the user's manager run?"
    return [Issue("systemd", "systemd does not run or cannot be asked", hint)]


def _linger_issues(systemd: Systemd, uid: int) -> list[Issue]:
    if not uid or systemd.has_linger(str(uid)):
        return []
    says = "the user's services end with the last login: linger is off"
    return [Issue("linger", says, "loginctl enable-linger")]


def _timer_issues(systemd: Systemd, auto_update_unit: str, labelled: tuple[str, ...]) -> list[Issue]:
    """Return the warning that podman's own timer updates units managed here, unproven and not taken back."""
    if not labelled:
        return []
    timer = auto_update_unit.rpartition(".")[0] + ".timer"
    if not systemd.show(timer)[0].is_active:
        return []
    shown = ", ".join(labelled[:5]) + (" ..." if len(labelled) > 5 else "")
    says = f"{timer} is active and also updates {shown}"
    hint = f"systemctl {systemd.option} disable --now {timer}, or take AutoUpdate= away from those units"
    return [Issue("auto-update", says, hint)]
