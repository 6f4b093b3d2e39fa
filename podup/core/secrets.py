"""Secrets as a type that does not print, and the redaction of everything that does.

`Redactor` replaces known secret values in any text by `***`, also in their URL-quoted and base64 forms,
and whatever stands behind the well-known words (`Authorization:`, `password=`, `token=` ...) or in the
password's place of a URL. `without_environment` masks what commands tell of the environment of containers.
"""

import base64
import hmac
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from podup.patterns import regex

MASK = "***"
_MIN_LENGTH = 4
_SHORT = 80  # words that come again and again: names of units, events and callers
_REMEMBERED = 256
_WELL_KNOWN = regex(
    r"(?i)\b(authorization:\s*(?:bearer|basic)\s+|x-hub-signature-256:\s*sha256=|x-podup-signature-256:\s*sha256="
    r"|[\w-]{0,40}(?:password|passwd|secret|token|api_key|apikey)(?:=|:\s|\"\s*:\s*\")\s*)([^\s&\"',;]+)"
)
_URL_PASSWORD = regex(r"(://[^/\s:@\"']{1,80}:)[^/\s@\"']{1,200}@")
_NAME = r"[A-Za-z_]\w{0,100}="
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"']+)"
_ENVIRONMENT = (
    # an object or a block of a Compose file; an entry of `podman inspect` or of a command line in JSON; an
    # option of `podman run`; a line of a unit
    (regex(r'("environment":\s*)\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}'), r'\1{}'),
    (regex(r"(?m)^([ \t]*)(environment:)[ \t]*\n(?:\1[ -][^\n]*(?:\n|\Z))+"), r"\1\2 ***\n"),
    (regex(rf'("(?:--env=|-e)?{_NAME})(?:[^"\\\n]|\\.)*"'), r'\1***"'),
    (regex(rf"('{_NAME})[^'\n]*'"), r"\1***'"),
    (regex(rf"(\s(?:--env(?:=|\s+(?:\\\n\s*)?)|-e ?)[\"']?{_NAME}){_VALUE}"), r"\1***"),
    (regex(rf"(\s--creds[= ]){_VALUE}"), r"\1***"),
    (regex(r"(?m)^([ \t]*Environment=)(?:.*\\\n)*.+$"), r"\1***"),
)


class Secret:
    """A value that must not be shown. `reveal()` is the only way to it; comparing takes constant time."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def matches(self, candidate: str) -> bool:
        """Return whether `candidate` is the secret, in time that does not depend on where they differ."""
        return hmac.compare_digest(self._value.encode(), candidate.encode("utf-8", "surrogateescape"))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__


class Redactor:
    """Removes secrets from text and from JSON-like values."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            value = secret.reveal()
            if len(value) >= _MIN_LENGTH:
                forms |= {value, quote(value, safe=""), base64.b64encode(value.encode()).decode()}
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(re.escape(form) for form in ordered)) if ordered else None
        self._short = lru_cache(maxsize=_REMEMBERED)(self._redacted)

    def text(self, value: str) -> str:
        """Return `value` without any secret."""
        return self._short(value) if len(value) <= _SHORT else self._redacted(value)

    def _redacted(self, value: str) -> str:
        if self._known is not None:
            value = self._known.sub(MASK, value)
        if ":" not in value and "=" not in value:
            return value
        if "://" in value:
            value = _URL_PASSWORD.sub(lambda found: f"{found[1]}{MASK}@", value)
        return _WELL_KNOWN.sub(lambda found: found[1] + MASK, value)

    def tree(self, value: Any) -> Any:
        """Return `value` (what JSON can hold) with every string in it redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            text = self.text
            return {
                key: text(item) if isinstance(item, str) else self.tree(item) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.tree(item) for item in value]
        return value


def without_environment(output: str) -> str:
    """Return the output of a command without the values of environment variables it tells of.

    Read are units, Compose files, `podman inspect` and command lines; names stay, values become `***`.
    """
    for pattern, masked in _ENVIRONMENT:
        output = pattern.sub(masked, output)
    return output
