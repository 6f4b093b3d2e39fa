"""How the host is, for /health and `doctor`: one look at a time, kept so that asking starts no process."""

from podup.errors import PodupError
from podup.host.podman import Podman
from podup.host.systemd import Systemd
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


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at: the host's programs, the user (uid) whose manager it is, the auto-update unit."""

    podman: Podman
    systemd: Systemd
    uid: int
    auto_update_unit: str

    def at_host(self, *, labelled: tuple[str, ...]) -> HostState:
        """Look once. `labelled` are the managed units that ask for podman's own auto-update.

        What cannot be asked is an issue and never an error.
        """
        issues: list[Issue] = []
        version = self._podman(issues)
        state = self._systemd(issues, labelled)
        return HostState(
            "ok" if version else "failed",
            version,
            "ok" if state else "failed",
            state,
            tuple(issues),
        )

    def _podman(self, issues: list[Issue]) -> str:
        try:
            version = self.podman.version()
            room = self.podman.disk()
        except PodupError as error:
            issues.append(Issue("podman", error.message, error.hint))
            return ""
        if room.free_bytes < max(LOW_DISK_BYTES, LOW_DISK_SHARE * room.total_bytes):
            says = f"{room.free_bytes >> 20} MiB free of {room.total_bytes >> 20} MiB at {room.path}"
            issues.append(Issue("disk", says, "make room, for example with `podman image prune`"))
        return version

    def _systemd(self, issues: list[Issue], labelled: tuple[str, ...]) -> str:
        try:
            state = self.systemd.overall()
            if state in ("", "offline", "unknown"):
                hint = "is XDG_RUNTIME_DIR set, and does the user's manager run?"
                issues.append(Issue("systemd", "systemd does not run or cannot be asked", hint))
                return ""
            issues.extend(timer_issues(self.systemd, self.auto_update_unit, labelled))
            if self.uid and not self.systemd.has_linger(str(self.uid)):
                says = "the user's services end with the last login: linger is off"
                issues.append(Issue("linger", says, "loginctl enable-linger"))
        except PodupError as error:
            issues.append(Issue("systemd", error.message, error.hint))
            return ""
        return state


def timer_issues(systemd: Systemd, auto_update_unit: str, labelled: tuple[str, ...]) -> list[Issue]:
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
