"""A podman command line taken apart: verb, options, operands.

`podman run` ends its options at the image, so which options take a value has to be known: the tables are
those of podman-run(1) and podman(1), from 3.0 to 5.x. With an option that is in neither table nothing
behind it is certain, and no operand is named.
"""

from collections.abc import Iterator, Sequence

from podup.records import dataclass


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RUN_VALUES = _names(
    """
    add-host annotation arch attach authfile blkio-weight blkio-weight-device cap-add cap-drop cert-dir
    cgroup-conf cgroup-parent cgroupns cgroups chrootdirs cidfile conmon-pidfile cpu-count cpu-percent
    cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems creds
    decryption-key detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps
    device-write-iops dns dns-opt dns-option dns-search entrypoint env env-file env-merge expose gidmap gpus
    group-add group-entry health-cmd health-interval health-log-destination health-max-log-count
    health-max-log-size health-on-failure health-retries health-start-period health-startup-cmd
    health-startup-interval health-startup-retries health-startup-success health-startup-timeout
    health-timeout healthcheck-command healthcheck-interval healthcheck-retries healthcheck-start-period
    healthcheck-timeout hostname hosts-file hostuser image-volume init-path intel-rdt-closid ip ip6 ipc
    kernel-memory label label-file log-driver log-opt mac-address memory memory-reservation memory-swap
    memory-swappiness mount name net network network-alias oom-score-adj os passwd-entry personality pid
    pidfile pids-limit platform pod pod-id-file preserve-fd preserve-fds publish pull rdt-class requires
    restart retry retry-delay runtime sdnotify seccomp-policy secret security-opt shm-size shm-size-systemd
    signature-policy stop-signal stop-timeout storage-opt subgidname subuidname sysctl systemd time timeout
    tmpfs tz uidmap ulimit umask unsetenv user userns uts variant volume volumes-from workdir
    """
)
_RUN_FLAGS = _names(
    """
    detach disable-content-trust env-host help http-proxy init interactive no-healthcheck no-hostname no-hosts
    oom-kill-disable passwd privileged publish-all quiet read-only read-only-tmpfs replace rm rmi rootfs
    sig-proxy tls-verify tty unsetenv-all
    """
)
_GLOBAL_VALUES = _names(
    """
    cdi-spec-dir cgroup-manager config conmon connection context cpu-profile db-backend default-mounts-file
    events-backend hooks-dir host identity imagestore log-level max-workers memory-profile module namespace
    network-cmd-path network-config-dir out pull-option registries-conf registries-conf-dir root runroot
    runtime runtime-flag ssh storage-driver storage-opt tls-ca tls-cert tls-key tmpdir url volumepath
    """
)
_GLOBAL_FLAGS = _names("debug help noout remote syslog tls-verify trace transient-store version")
_OTHER_VALUES = _names(
    """
    annotation arch authfile cert-dir configmap context-dir creds decryption-key detach-keys filter ip
    log-driver log-opt mac-address network os platform pod-id-file policy publish retry retry-delay
    seccomp-profile-root userns variant
    """
)
_LETTERS = {
    "a": "attach", "c": "cpu-shares", "d": "detach", "e": "env", "h": "hostname", "i": "interactive",
    "l": "label", "m": "memory", "p": "publish", "P": "publish-all", "q": "quiet", "t": "tty", "u": "user",
    "v": "volume", "w": "workdir",
}  # fmt: skip
_GLOBAL_LETTERS = {"c": "connection", "H": "host", "r": "remote", "v": "version"}
_GROUPS = ("container", "image", "kube", "pod", "play")
_SAME = {"container run": "run", "container create": "create", "container start": "start"}
_SAME |= {"image pull": "pull", "play kube": "kube play"}


@dataclass(frozen=True, slots=True)
class PodmanCall:
    """One call of podman. `verb` is `run`, `start`, `pull`, `kube play` ...; options have their long names.

    `operands` of run and create are the image and what follows; empty when that cannot be told.
    """

    verb: str
    options: tuple[tuple[str, str], ...]
    operands: tuple[str, ...]

    def every(self, option: str) -> tuple[str, ...]:
        """Return all values of `option`; a flag's value is `true` unless it was given another."""
        return tuple(value for name, value in self.options if name == option)

    def last(self, option: str) -> str:
        """Return the value that counts, empty when the option is not there."""
        return (self.every(option) or ("",))[-1]

    @property
    def image(self) -> str:
        """The image of run and create: as written, empty when there is none or it cannot be told."""
        if self.verb not in ("run", "create") or not self.operands or self.last("rootfs") == "true":
            return ""
        word = self.operands[0].removeprefix("docker://")
        return "" if set(word) & set("$%`") else word


def read_call(words: Sequence[str]) -> PodmanCall | None:
    """Return the call `words` make, None when they do not call podman."""
    if not words or words[0].rpartition("/")[2] not in ("podman", "podman-remote"):
        return None
    scan = _Scan(words[1:])
    list(scan.options(_GLOBAL_VALUES, _GLOBAL_FLAGS, _GLOBAL_LETTERS))
    verb = scan.word()
    if verb in _GROUPS and scan.left():
        verb = f"{verb} {scan.word()}"
    verb = _SAME.get(verb, verb)
    if verb in ("run", "create"):
        return read_run_options(scan.left(), verb)
    options: list[tuple[str, str]] = []
    operands: list[str] = []
    while scan.left():
        options += scan.options(_OTHER_VALUES, None, {})
        operands += [scan.word()] if scan.left() else []
    return PodmanCall(verb, tuple(options), tuple(operands))


def read_run_options(words: Sequence[str], verb: str = "run") -> PodmanCall:
    """Return the call of `podman run` that has these words behind its verb."""
    scan = _Scan(words)
    options = tuple(scan.options(_RUN_VALUES, _RUN_FLAGS, _LETTERS))
    return PodmanCall(verb, options, () if scan.is_lost else tuple(scan.left()))


class _Scan:
    """Walks over words; `is_lost` when an option was met of which nobody knows whether it takes a value."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self.is_lost = False

    def left(self) -> list[str]:
        return self._words

    def word(self) -> str:
        return self._words.pop(0) if self._words else ""

    def options(
        self, values: frozenset[str], flags: frozenset[str] | None, letters: dict[str, str]
    ) -> Iterator[tuple[str, str]]:
        """Take the options up to the first operand; without `flags` every unknown option is a flag."""
        while self._words and self._words[0].startswith("-") and self._words[0] != "-":
            word = self.word()
            if word == "--":
                return
            if not word.startswith("--"):
                yield from self._short(word[1:], values, letters)
                continue
            name, equals, value = word[2:].partition("=")
            if name in values and not equals:
                value = self.word()
            elif not equals:
                value = "true"
                self.is_lost = self.is_lost or (flags is not None and name not in flags)
            yield name, value

    def _short(
        self, cluster: str, values: frozenset[str], letters: dict[str, str]
    ) -> Iterator[tuple[str, str]]:
        """Take `-dit`, `-p80:80`, `-p 80:80`, `-d=false`."""
        while cluster:
            letter, cluster = cluster[0], cluster[1:]
            name = letters.get(letter, letter)
            if name in values:
                yield name, cluster.removeprefix("=") if cluster else self.word()
                return
            self.is_lost = self.is_lost or letter not in letters
            if cluster.startswith("="):
                yield name, cluster[1:]
                return
            yield name, "true"
