"""The admin token of an installation that configured nothing, and the link that logs in once."""

import base64
import os

from podup.core.secrets import Secret
from podup.files import durable_write
from podup.settings.load import Loaded

_FILE = "admin-token"
_TOKEN_BYTES = 32


def admin_token(loaded: Loaded) -> Secret | None:
    """Return the token kept 0600 in the state directory, made at the first start.

    None when access is configured.
    """
    access = loaded.settings.access
    if access.token or access.manual_token or access.forward_header or access.is_dev_open:
        return None
    path = loaded.settings.state.directory / _FILE
    if not path.exists():
        token = base64.urlsafe_b64encode(os.urandom(_TOKEN_BYTES)).rstrip(b"=")
        durable_write(path, token + b"\n", mode=0o600)
    return Secret(path.read_text(encoding="ascii").strip())
