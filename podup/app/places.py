"""Where things of this installation are, besides its settings."""

import hashlib
from pathlib import Path

from podup.settings.load import Loaded

_SOCKET_DIR = "pod-upgrade-trigger"


def control_socket(loaded: Loaded) -> Path:
    """Return where the daemon of this state directory listens for commands; short, for unix(7)."""
    name = hashlib.sha256(str(loaded.settings.state.directory).encode()).hexdigest()[:16]
    return loaded.environment.runtime_dir / _SOCKET_DIR / f"{name}.sock"
