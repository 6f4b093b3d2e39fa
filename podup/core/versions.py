"""Versions by Semantic Versioning 2.0.0 (https://semver.org), and the tags that carry them.

A version orders by section 11 of the specification: numbers first, a pre-release before its release,
build metadata not at all. A tag is `v` and the version; the bare version is taken as a tag as well.
"""

from collections.abc import Iterable
from functools import total_ordering

from podup.errors import Invalid
from podup.patterns import regex
from podup.records import dataclass

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRE = rf"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = regex(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRE}(?:\.{_PRE})*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)
_LONGEST = 128


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version. Two that differ only in build metadata are equal; `str()` gives the full spelling."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()
    build: str = ""

    @property
    def is_prerelease(self) -> bool:
        return bool(self.pre)

    @property
    def tag(self) -> str:
        """Return the tag a release of this version carries: `v1.2.3`."""
        return f"v{self}"

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.pre:
            text += "-" + ".".join(self.pre)
        return f"{text}+{self.build}" if self.build else text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and _order(self) == _order(other)

    def __lt__(self, other: "Version") -> bool:
        return _order(self) < _order(other)

    def __hash__(self) -> int:
        return hash(_order(self))


def parse_version(text: str) -> Version:
    """Return the version `text` spells. Raises Invalid `version-invalid` for anything but SemVer 2.0.0."""
    found = _SEMVER.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise Invalid(
            "version-invalid", f"{text[:_LONGEST]!r} is not a version", "write it like 1.2.3 or 1.2.3-rc.1"
        )
    pre = tuple(found[4].split(".")) if found[4] else ()
    return Version(int(found[1]), int(found[2]), int(found[3]), pre, found[5] or "")


def parse_tag(text: str) -> Version:
    """Return the version behind a tag (`v1.2.3`, or `1.2.3`). Raises Invalid `version-invalid`."""
    return parse_version(text[1:] if text.startswith("v") else text)


def tag_of(text: str) -> str:
    """Return the tag `v1.2.3` of what people write for it (1.2.3, v1.2.3), nothing for nothing.

    Raises Invalid `version-invalid`.
    """
    return parse_tag(text).tag if text else ""


def is_version(text: str) -> bool:
    """Return whether `parse_version` takes it."""
    return len(text) <= _LONGEST and _SEMVER.fullmatch(text) is not None


def newest_above(tag: str, tags: Iterable[str]) -> str:
    """Return the tag with the highest version above that of `tag`; empty when there is none.

    Pre-releases count only when `tag` is one; a tag that is no version (`latest`) has nothing above it.
    """
    if not is_version(tag.removeprefix("v")):
        return ""
    own = parse_tag(tag)
    known = {parse_tag(one): one for one in tags if is_version(one.removeprefix("v"))}
    above = [found for found in known if own < found and (own.is_prerelease or not found.is_prerelease)]
    return known[max(above)] if above else ""


_Order = tuple[int, int, int, bool, tuple[tuple[int, int, str], ...]]


def _order(version: Version) -> _Order:
    """Section 11: numeric identifiers compare as numbers and come before words; shorter first."""
    pre = tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in version.pre)
    return version.major, version.minor, version.patch, not version.pre, pre
