"""Addresses of the web: what may be asked, what may be told of them, and where a redirect may lead.

Only http and https, in ASCII, without a login: one inside a URL would end in logs.
Source: RFC 3986; RFC 9110 section 15.4 for redirects.
"""

from urllib.parse import SplitResult, urljoin, urlsplit

from podup.errors import Invalid, PodupError

_PORTS = {"http": 80, "https": 443}


def read_url(text: str) -> tuple[SplitResult, int]:
    """Return the parts of an http or https URL and its port; raises Invalid('bad-url')."""
    try:
        url = urlsplit(text)
        port = url.port or _PORTS.get(url.scheme, 0)
    except ValueError:
        raise Invalid("bad-url", f"not a URL: {shown(text)}") from None
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Invalid("bad-url", f"not a URL: {shown(text)}", "write other letters in their %-form")
    if url.scheme not in _PORTS or not url.hostname or url.username is not None:
        raise Invalid("bad-url", f"not an http or https URL without a login: {shown(text)}")
    return url, port


def shown(url: str) -> str:
    """Return what of a URL may be told: neither login nor query."""
    plain = url.partition("?")[0].partition("#")[0]
    scheme, slashes, rest = plain.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}"[:200]


def follow(url: str, location: str) -> tuple[str, bool]:
    """Return where `location` leads from `url`, and whether that is another server.

    Raises PodupError `insecure-redirect` from https to http, `bad-response` for no URL, Invalid `bad-url`.
    """
    try:
        target = urljoin(url, location.replace(" ", "%20"))
    except ValueError:
        raise PodupError("bad-response", f"{shown(url)} redirects to what is not a URL") from None
    old, old_port = read_url(url)
    new, new_port = read_url(target)
    if (old.scheme, new.scheme) == ("https", "http"):
        raise PodupError("insecure-redirect", f"{shown(url)} redirects from https to http")
    is_elsewhere = (old.scheme, old.hostname, old_port) != (new.scheme, new.hostname, new_port)
    return target, is_elsewhere
