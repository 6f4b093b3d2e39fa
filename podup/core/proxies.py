"""Which proxy a request goes through: the rules of `http_proxy`, `https_proxy` and `no_proxy`.

A proxy is `http://[user:password@]host:port`. An entry of `no_proxy` is a host name, which covers what is
below it too, an address, a network in CIDR form or `*`; with `:port` it holds for that port only. Loopback
never goes through a proxy.
Source: curl(1), Go's golang.org/x/net/http/httpproxy, which Podman uses.
"""

import base64
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from podup.errors import Invalid
from podup.records import dataclass


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where to connect instead, and the value of Proxy-Authorization, empty without a login."""

    host: str
    port: int
    authorization: str = ""


def read_proxy(text: str) -> Proxy:
    """Return the proxy `text` names; raises Invalid('bad-proxy') without repeating a password."""
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = url.hostname, url.port
    except ValueError:
        host, port, url = None, None, urlsplit("")
    if not host or url.scheme != "http" or url.path not in ("", "/"):
        raise Invalid("bad-proxy", "a proxy setting is not a proxy", "write it as http://host:port")
    if url.username is None:
        return Proxy(host, port or 80)
    login = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return Proxy(host, port or 80, f"Basic {base64.b64encode(login.encode()).decode()}")


def proxy_for(proxies: Mapping[str, str], scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy for a request; `proxies` has the keys `http`, `https`, `all` and `no`, or some."""
    told = proxies.get(scheme) or proxies.get("all") or ""
    if not told or _is_direct(host.lower().strip("[]"), port, proxies.get("no", "")):
        return None
    return read_proxy(told)


def _is_direct(host: str, port: int, exceptions: str) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_covers(entry.strip().lower(), host, address, port) for entry in exceptions.split(","))


def _covers(
    entry: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int
) -> bool:
    if entry in ("", "*"):
        return entry == "*"
    name, colon, wanted_port = entry.rpartition(":")
    if colon and wanted_port.isdecimal() and (":" not in name or name.endswith("]")):
        if int(wanted_port) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    entry = entry.removeprefix("*").removeprefix(".")
    return bool(entry) and (host == entry or host.endswith("." + entry))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
