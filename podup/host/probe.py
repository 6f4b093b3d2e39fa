"""Tries the probes of `podup.core.probes`: one connection, or one command, within a deadline.

Certificates are not verified: a probe asks whether the service answers, over an address the operator wrote.
"""

import socket
from typing import TYPE_CHECKING, Protocol

from podup.clock import Clock
from podup.core.probes import CommandProbe, HttpProbe, TcpProbe, parse_probe
from podup.host.run import Command, Runner
from podup.late import late
from podup.recipes.facts import Probed

if TYPE_CHECKING:
    import ssl
else:
    ssl = late("ssl")

_FIRST_LINE = 4096


class Prober(Protocol):
    """Tries a probe once."""

    def probe(self, spec: str, *, timeout_s: float) -> Probed:
        """Return how it went; raises Invalid `bad-probe`, and nothing for a service that does not answer."""


class HostProber:
    """Probes from this machine."""

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock

    def probe(self, spec: str, *, timeout_s: float) -> Probed:
        wanted = parse_probe(spec)
        if isinstance(wanted, CommandProbe):
            return self._command(wanted, timeout_s)
        deadline = self._clock.monotonic() + timeout_s
        try:
            with socket.create_connection((wanted.host, wanted.port), timeout=timeout_s) as connection:
                if isinstance(wanted, TcpProbe):
                    return Probed(True, f"{spec} takes connections")
                return self._http(wanted, connection, deadline)
        except OSError as error:
            return Probed(False, f"{spec}: {error.strerror or error}")

    def _command(self, wanted: CommandProbe, timeout_s: float) -> Probed:
        done = self._runner.run(Command(wanted.argv, mutates=False, timeout_s=timeout_s))
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return Probed(done.ok, f"{wanted.argv[0]} exited {done.exit}{': ' + lines[-1] if lines else ''}")

    def _http(self, wanted: HttpProbe, connection: socket.socket, deadline: float) -> Probed:
        if not wanted.tls:
            return self._get(wanted, connection, deadline)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(connection, server_hostname=wanted.host) as encrypted:
            return self._get(wanted, encrypted, deadline)

    def _get(self, wanted: HttpProbe, connection: socket.socket, deadline: float) -> Probed:
        host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
        connection.sendall(
            f"GET {wanted.target} HTTP/1.1\r\nHost: {host}:{wanted.port}\r\n"
            "User-Agent: podup-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode("ascii")
        )
        answer = b""
        while b"\n" not in answer and len(answer) < _FIRST_LINE:
            connection.settimeout(max(0.001, deadline - self._clock.monotonic()))
            piece = connection.recv(_FIRST_LINE)
            if not piece:
                break
            answer += piece
        line = answer.partition(b"\n")[0].decode("latin-1").strip()
        words = line.split()
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            return Probed(False, f"no HTTP answer: {line[:100]!r}")
        return Probed(200 <= int(words[1]) < 400, f"GET {wanted.target} answered {line[9:100]}")
