"""What a unit may ask to be tried before it counts as healthy: the label `io.podup.probe`.

`http://host:port/path` (or https) is well when it answers 2xx or 3xx, `tcp://host:port` when it takes a
connection, `command:WORDS` when it exits 0. Words are split as a shell splits them and never given to one.
"""

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from podup.errors import Invalid
from podup.late import late
from podup.records import dataclass

if TYPE_CHECKING:
    import shlex
else:
    shlex = late("shlex")

_HINT = "Write http://host:port/path, tcp://host:port or command:/usr/bin/program arguments."
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """A GET request; `target` is path and query, in ASCII without spaces."""

    host: str
    port: int
    target: str
    tls: bool


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """A connection."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class CommandProbe:
    """A command on the host, run as the user podup runs as."""

    argv: tuple[str, ...]


Probe = HttpProbe | TcpProbe | CommandProbe


def parse_probe(spec: str) -> Probe:
    """Return the probe `spec` describes; raises Invalid `bad-probe`."""
    kind, colon, rest = spec.partition(":")
    if not colon or not spec.isprintable():
        raise _bad(spec)
    if kind == "command":
        return CommandProbe(_words(spec, rest))
    parts, port = _address(spec)
    if parts.scheme == "tcp" and port and not (parts.path or parts.query):
        return TcpProbe(parts.hostname or "", port)
    if parts.scheme in _PORTS:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if target.isascii() and " " not in target:
            return HttpProbe(
                parts.hostname or "", port or _PORTS[parts.scheme], target, parts.scheme == "https"
            )
    raise _bad(spec)


def _words(spec: str, text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError:
        raise _bad(spec) from None
    if not words or words[0].startswith("-"):
        raise _bad(spec)
    return words


def _address(spec: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(spec)
        port = parts.port
    except ValueError:
        raise _bad(spec) from None
    if not parts.hostname or parts.username or parts.fragment or port == 0:
        raise _bad(spec)
    return parts, port


def _bad(spec: str) -> Invalid:
    return Invalid("bad-probe", f"not a probe: {spec[:140]!r}", _HINT)
