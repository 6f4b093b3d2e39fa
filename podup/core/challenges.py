"""What a server asks for in WWW-Authenticate: schemes and their parameters.

Promises to raise nothing: what is malformed ends the reading, what came before it stands.
Source: RFC 9110 section 11; the distribution project's token authentication for `Bearer realm=...`.
"""

import re
from collections.abc import Iterable

from podup.patterns import regex
from podup.records import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = regex(rf"[\s,]*({_TOKEN})(?=[\s,]|$)")
_PARAMETER = regex(rf'[\s,]*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*(?=,|$)', re.DOTALL)
_TOKEN68 = regex(r"\s+[A-Za-z0-9._~+/-]+=*\s*(?=,|$)")
_MAX_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate: the scheme in lower case and its parameters, names in lower case."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """Return a parameter, empty when it is not there; of a repeated one the first counts."""
        return next((value for key, value in self.parameters if key == name), "")


def read_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of all WWW-Authenticate headers of a response, in order."""
    return tuple(challenge for value in values for challenge in _challenges(value[:_MAX_LENGTH]))


def _challenges(text: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = 0
    while scheme := _SCHEME.match(text, at):
        at = scheme.end()
        parameters: list[tuple[str, str]] = []
        while parameter := _PARAMETER.match(text, at):
            name, quoted, plain = parameter.groups()
            value = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else plain
            parameters.append((name.lower(), value))
            at = parameter.end()
        if not parameters and (blob := _TOKEN68.match(text, at)):
            at = blob.end()
        found.append(Challenge(scheme[1].lower(), tuple(parameters)))
    return found
