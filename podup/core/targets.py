"""Request targets: the path, decoded once and proven free of traversal, and the query (RFC 9112, 3.2).

A path is accepted when its segments mean the same before and after decoding: encoded slashes, NUL and
control characters, dot segments (however written, also behind backslashes), bytes that are not UTF-8 and
broken percent escapes are refused, not repaired. What is decoded is never decoded again.
"""

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from podup.patterns import regex

MAX_QUERY_FIELDS = 100
_PLAIN = regex(r"(?:/[A-Za-z0-9_~@:+=,!$&'()*;-][A-Za-z0-9._~@:+=,!$&'()*;-]*)+/?")
_BROKEN_ESCAPE = regex(r"%(?![0-9A-Fa-f]{2})")
_ENCODED_SLASH = regex(r"%2[fF]")
_CONTROL = regex(r"[\x00-\x1f\x7f]")


class BadTarget(ValueError):
    """A request target that is refused; the message says why."""


def parse_target(method: str, target: str, host: str) -> tuple[str, Mapping[str, list[str]]]:
    """Return path and query of a request target of visible ASCII. Raises BadTarget.

    `host` is the Host header: an absolute-form target has to name the same authority. `*` is the path of
    `OPTIONS *`.
    """
    if "#" in target or "\\" in target:
        raise BadTarget("it holds a fragment or a backslash")
    if target == "*" and method == "OPTIONS":
        return target, {}
    if not target.startswith("/"):
        target = _origin_form(target, host)
    path, _, query = target.partition("?")
    return parse_path(path), parse_query(query) if query else {}


def _origin_form(target: str, host: str) -> str:
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise BadTarget("it is neither a path nor an http URL")
    authority, slash, path = rest.partition("/")
    if "?" in authority or authority.lower() != host.lower():
        raise BadTarget("its authority is not the Host")
    return slash + path if slash else "/"


def parse_path(raw: str) -> str:
    """Return the decoded path of a raw one that starts with `/`. Raises BadTarget."""
    if _PLAIN.fullmatch(raw) or raw == "/":
        return raw
    if _BROKEN_ESCAPE.search(raw) or _ENCODED_SLASH.search(raw):
        raise BadTarget("its path holds a broken escape or an encoded slash")
    path = _decode(raw)
    if _CONTROL.search(path):
        raise BadTarget("its path holds a control character")
    if any(segment in (".", "..") for segment in path.replace("\\", "/").split("/")):
        raise BadTarget("its path holds a dot segment")
    return path


def parse_query(raw: str) -> dict[str, list[str]]:
    """Return the fields of a query in the order they came. Raises BadTarget for too many or broken ones."""
    if _BROKEN_ESCAPE.search(raw):
        raise BadTarget("its query holds a broken escape")
    parts = raw.split("&")
    if len(parts) > MAX_QUERY_FIELDS:
        raise BadTarget(f"its query has more than {MAX_QUERY_FIELDS} fields")
    fields: dict[str, list[str]] = {}
    for part in filter(None, parts):
        name, _, value = part.replace("+", " ").partition("=")
        fields.setdefault(_decode(name), []).append(_decode(value))
    return fields


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as bad:
        raise BadTarget("it is not UTF-8") from bad
