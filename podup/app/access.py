"""The admin token of an installation that configured nothing, and the link that logs in once."""

import secrets

from podup.core.secrets import Secret
from podup.files import durable_write
from podup.settings.load import Loaded

_FILE = "admin-token"


def admin_token(loaded: Loaded) -> Secret | None:
    """Return the token kept 0600 in the state directory, made at the first start.

    None when access is configured.
    """
    access = loaded.settings.access
    if access.token or access.manual_token or access.forward_header or access.is_dev_open:
        return None
    path = loaded.settings.state.directory / _FILE
    if not path.exists():
        durable_write(path, f"{secrets.token_urlsafe(32)}\n".encode(), mode=0o600)
    return Secret(path.read_text(encoding="ascii").strip())
