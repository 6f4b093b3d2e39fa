"""Whose certificates count: the system's, and for single hosts those in Podman's `certs.d` directories.

`certs.d/HOST:PORT/*.crt` are further authorities for that host, `NAME.cert` with `NAME.key` is the client's
own certificate. A context is made when a host is first asked, for reading all authorities takes a while.
Source: containers-certs.d(5).
"""

import ssl
from pathlib import Path

from podup.errors import PodupError


class Trust:
    """Makes and keeps TLS contexts; of `directories` the first that knows a host counts."""

    def __init__(self, directories: tuple[Path, ...] = (), *, authorities: Path | None = None) -> None:
        self._directories = directories
        self._authorities = authorities
        self._known: dict[str, ssl.SSLContext] = {}

    def context(self, place: str, *, verify: bool) -> ssl.SSLContext:
        """Return the context for `host` or `host:port`; raises PodupError `bad-certificate`.

        Without `verify` any certificate is accepted.
        """
        own = next((path for each in self._directories if (path := each / place).is_dir()), None)
        key = f"{verify} {own or ''}"
        if key not in self._known:
            self._known[key] = self._make(own, verify)
        return self._known[key]

    def _make(self, own: Path | None, verify: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if verify:
            context = ssl.create_default_context(cafile=self._authorities)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for path in sorted(own.iterdir()) if own is not None else ():
            try:
                if path.suffix == ".crt" and verify:
                    context.load_verify_locations(path)
                elif path.suffix == ".cert":
                    context.load_cert_chain(path, path.with_suffix(".key"))
            except (OSError, ssl.SSLError) as error:
                raise PodupError("bad-certificate", f"{path} cannot be used: {error}") from None
        return context
