"""The sockets a server listens on: TCP, inherited from systemd, and our own control socket.

Sources: sd_listen_fds(3), unix(7). TCP_NODELAY set on a listening socket is inherited by what it accepts.
"""

import errno
import os
import socket
import struct
from pathlib import Path

from podup.errors import Busy, Invalid, PodupError, Unavailable
from podup.files import remove
from podup.records import dataclass
from podup.server.request import Peer

FIRST_INHERITED_FD = 3
BACKLOG = 1024
_PATH_BYTES = 107  # sun_path holds 108 with the final NUL
_PEER = struct.Struct("3i")  # pid, uid, gid


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket, not blocking. What is inherited stays open when the server stops."""

    sock: socket.socket
    is_control: bool = False
    is_inherited: bool = False

    @property
    def address(self) -> str:
        """Where it listens: `HOST:PORT` as the socket itself says, or the path of a Unix socket."""
        name = self.sock.getsockname()
        if not isinstance(name, tuple):
            return os.fsdecode(name)
        host, port = str(name[0]), int(name[1])
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def peer(self, sock: socket.socket, address: object) -> Peer | None:
        """Return who connected; None for somebody the control socket does not serve."""
        if not self.is_control:
            return Peer(str(address[0]) if isinstance(address, tuple) else "unix")
        size = _PEER.size
        _, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return Peer("control", is_control=True) if uid in (0, os.geteuid()) else None


def listen_tcp(address: str) -> Listener:
    """Listen on `HOST:PORT` (IPv6 as `[::1]:80`, port 0 for any). Raises Invalid, Busy and Unavailable."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]  # what create_server adds to it
        says = f"cannot listen on {address}: {why}"
        if error.errno == errno.EADDRINUSE:
            hint = "another process listens there (`ss -tlnp` shows which); end it, or set PODUP_HTTP_ADDR"
            raise Busy("address-in-use", says, hint) from error
        hint = "ports below 1024 are for root" if error.errno == errno.EACCES else "is it of this machine?"
        raise Unavailable("address-not-usable", says, f"{hint}; PODUP_HTTP_ADDR sets another") from error
    return Listener(_ready(sock))


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`. Raises Invalid."""
    host, colon, port = address.rpartition(":")
    is_whole = host.startswith("[") == host.endswith("]") and (host.startswith("[") or ":" not in host)
    if not (colon and is_whole and port.isascii() and port.isdigit()) or int(port) > 65535:
        raise Invalid("bad-address", f"{address!r} is not HOST:PORT", "for instance 0.0.0.0:25111")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


def accepted(number: int = FIRST_INHERITED_FD) -> bool:
    """Return whether a descriptor is one accepted connection (systemd.socket(5), `Accept=yes`)."""
    try:
        with socket.socket(fileno=os.dup(number)) as sock:
            return not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and bool(sock.getpeername())
    except OSError:
        return False


def inherit(count: int, *, first: int = FIRST_INHERITED_FD) -> list[Listener]:
    """Return the `count` listening sockets a supervisor passed, from descriptor `first` on."""
    listeners = []
    for number in range(first, first + count):
        os.set_inheritable(number, False)
        try:
            sock = socket.socket(fileno=number)
            is_listening = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        except OSError as error:
            raise Invalid("bad-inherited", f"descriptor {number} is not a socket") from error
        if not is_listening:
            raise Invalid("bad-inherited", f"descriptor {number} does not listen", "set Accept=no")
        listeners.append(Listener(_ready(sock), is_inherited=True))
    return listeners


def listen_control(path: Path) -> Listener:
    """Listen on a Unix socket that only this user can open; the caller holds the lock that makes it ours.

    A socket left there by a dead process is removed. Raises Invalid for a path too long.
    """
    raw = os.fsencode(path)
    if len(raw) > _PATH_BYTES:
        message = f"{path} is longer than {_PATH_BYTES} bytes"
        raise Invalid("socket-path-too-long", message, "set XDG_RUNTIME_DIR to a shorter one")
    remove(path, missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(raw)
    except OSError as error:
        sock.close()
        raise PodupError("control-socket", f"cannot listen on {path}: {error.strerror}") from error
    finally:
        os.umask(before)
    sock.listen(BACKLOG)
    return Listener(_ready(sock), is_control=True)


def _ready(sock: socket.socket) -> socket.socket:
    sock.setblocking(False)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
