"""The process environment, read once: the only place that looks at it.

`Environment` holds what is not a setting: who runs this, where their directories are, what systemd handed
over, and what a child process may be given.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from podup.records import dataclass, field

_FOR_CHILDREN = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR",
    "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME",
    "DBUS_SESSION_BUS_ADDRESS", "REGISTRY_AUTH_FILE", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF", "CONTAINER_HOST", "DOCKER_HOST", "DOCKER_CONFIG", "PODMAN_USERNS",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
_PROXIES = ("http", "https", "all", "no")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Environment:
    """Who runs this and where. Directories follow the XDG base directory specification."""

    variables: Mapping[str, str] = field(repr=False)
    home: Path
    uid: int

    def get(self, name: str) -> str:
        """Return a variable, or an empty string."""
        return self.variables.get(name, "")

    @property
    def is_root(self) -> bool:
        return self.uid == 0

    @property
    def config_home(self) -> Path:
        return self._directory("XDG_CONFIG_HOME", ".config")

    @property
    def state_home(self) -> Path:
        return self._directory("XDG_STATE_HOME", ".local/state")

    @property
    def cache_home(self) -> Path:
        return self._directory("XDG_CACHE_HOME", ".cache")

    @property
    def runtime_dir(self) -> Path:
        """$XDG_RUNTIME_DIR, else where systemd would put it; root has /run."""
        return Path(self.get("XDG_RUNTIME_DIR") or ("/run" if self.is_root else f"/run/user/{self.uid}"))

    @property
    def credentials_dir(self) -> Path | None:
        """Where systemd put this unit's credentials (systemd.exec(5), LoadCredential=)."""
        name = self.get("CREDENTIALS_DIRECTORY")
        return Path(name) if name else None

    @property
    def manager_option(self) -> str:
        """The option by which systemctl(1) and journalctl(1) reach the manager of this user's services."""
        return "--system" if self.is_root else "--user"

    @property
    def for_children(self) -> dict[str, str]:
        """The whole environment a child process gets: none of our settings, and the user's bus."""
        given = {name: self.variables[name] for name in _FOR_CHILDREN if name in self.variables}
        bus = f"unix:path={self.runtime_dir}/bus"
        bare = {"PATH": _PATH, "HOME": str(self.home)}
        own = (
            {}
            if self.is_root
            else {"XDG_RUNTIME_DIR": str(self.runtime_dir), "DBUS_SESSION_BUS_ADDRESS": bus}
        )
        return {**bare, **own, **given}

    @property
    def proxies(self) -> dict[str, str]:
        """The proxies outbound requests go through (`https_proxy` ...), small letters before capitals."""
        names = {name: f"{name}_proxy" for name in _PROXIES}
        found = {name: self.get(low) or self.get(low.upper()) for name, low in names.items()}
        return {name: value for name, value in found.items() if value}

    def _directory(self, name: str, default: str) -> Path:
        given = self.get(name)
        return Path(given) if given.startswith("/") else self.home / default


def of_this_process() -> Environment:
    """Return the environment this process was started with."""
    variables = dict(os.environ)
    home = variables.get("HOME") or os.path.expanduser("~")
    return Environment(variables, Path(home), os.getuid())
