"""From the text of a setting to its value. Each raises ValueError with what it wants instead."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path

from podup.core.secrets import Secret
from podup.patterns import regex
from podup.records import dataclass

TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_HOST = regex(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def text(value: str) -> str:
    """Any text."""
    return value


def repository(value: str) -> str:
    """OWNER/NAME, with more parts where the server has groups; or nothing."""
    if value and not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)+", value, re.ASCII):
        raise ValueError("want OWNER/NAME")
    return value


def flag(value: str) -> bool:
    """Truth: 1 true yes on, or 0 false no off."""
    lowered = value.lower()
    if lowered not in (*TRUE, *FALSE):
        raise ValueError(f"want one of {' '.join(TRUE)} or {' '.join(FALSE)}")
    return lowered in TRUE


def whole(*, least: int = 0, most: int = 2**31) -> Callable[[str], int]:
    """A whole number between `least` and `most`."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"\d{1,10}", value, re.ASCII) or not least <= int(value) <= most:
            raise ValueError(f"want a whole number from {least} to {most}")
        return int(value)

    return parse


def seconds(*, least: int = 0, most: int = 366 * 86400) -> Callable[[str], int]:
    """A time in seconds, or with a unit: 90, 90s, 15m, 2h, 3d, 1w."""

    def parse(value: str) -> int:
        found = re.fullmatch(r"(\d{1,9})([smhdw]?)", value, re.ASCII)
        amount = int(found[1]) * _UNITS[found[2] or "s"] if found else -1
        if not least <= amount <= most:
            raise ValueError(f"want seconds from {least} to {most}, or 15m, 2h, 3d")
        return amount

    return parse


def share(value: str) -> float:
    """A share from 0 to 1; percent with a sign (`25%`) or above 1 (`25`)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", value, re.ASCII)
    if not found:
        raise ValueError("want a share such as 0.25 or 25%")
    number = float(found[1])
    number = number / 100 if found[2] or number > 1 else number
    if number > 1:
        raise ValueError("want at most 1 or 100%")
    return number


def one_of(*choices: str) -> Callable[[str], str]:
    """One of these words."""

    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"want one of {', '.join(choices)}")
        return value

    return parse


def words(value: str) -> tuple[str, ...]:
    """Words separated by commas or spaces; twice the same is once."""
    return tuple(dict.fromkeys(re.split(r"[,\s]+", value.strip(", \t\n")))) if value.strip(", \t\n") else ()


def networks(value: str) -> tuple[Network, ...]:
    """Addresses and networks (`127.0.0.1, 10.0.0.0/8`), separated by commas or spaces."""
    found: list[Network] = []
    for word in words(value):
        try:
            found.append(ipaddress.ip_network(word, strict=False))
        except ValueError as error:
            raise ValueError(f"{word!r} is neither an address nor a network") from error
    return tuple(found)


def address(value: str) -> Address:
    """HOST:PORT; an IPv6 host in brackets; an empty host is every address."""
    host, colon, port = value.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        raise ValueError("want HOST:PORT, such as 127.0.0.1:25111")
    if host.startswith("[") and host.endswith("]"):
        return Address(str(ipaddress.IPv6Address(host[1:-1])), int(port))
    if ":" in host or (host and not _HOST.fullmatch(host)):
        raise ValueError("want HOST:PORT; an IPv6 host stands in brackets, such as [::1]:25111")
    return Address(host or "0.0.0.0", int(port))


def url(value: str) -> str:
    """An http or https URL without a slash at its end."""
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value, re.ASCII):
        raise ValueError("want a URL such as https://deploy.example")
    return value.rstrip("/")


def header_name(value: str) -> str:
    """The name of an HTTP header (RFC 9110 token)."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value, re.ASCII):
        raise ValueError("want the name of a header, such as Remote-User")
    return value


def path(value: str) -> Path:
    """An absolute path; `~/` is the home directory (worked out by the loader)."""
    if not value.startswith(("/", "~/")):
        raise ValueError("want an absolute path (or one that begins with ~/)")
    return Path(value)


def secret(value: str) -> Secret:
    """A secret."""
    return Secret(value)


def secret_list(value: str) -> tuple[Secret, ...]:
    """Secrets separated by spaces or lines; each is accepted, so one can be changed for another."""
    return tuple(Secret(word) for word in value.split())
