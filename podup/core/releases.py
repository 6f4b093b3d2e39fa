"""Which release to take, whether this machine is among the first, and how long to wait for the server.

Shapes: https://docs.github.com/en/rest/releases/releases (one release, or a list of them). Unknown keys
are ignored; an entry that makes no sense (no tag, a tag that is no version) is left out, not an error.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from podup.core.versions import Version, is_version, parse_tag
from podup.errors import Invalid
from podup.late import late
from podup.records import dataclass

if TYPE_CHECKING:
    from email import utils
else:
    utils = late("email.utils")

BETA = "beta"
ASSET = "pod-upgrade-trigger.pyz"
MAX_RATE_WAIT_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Release:
    """One published release: tag as the server spells it, `size` of the program in bytes, 0 when not told."""

    tag: str
    version: Version
    is_prerelease: bool = False
    size: int = 0


class Verb(StrEnum):
    """What a choice comes to."""

    TAKE = "take"
    UP_TO_DATE = "up-to-date"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do, with which release, and why; `code` and `hint` are set for a refusal."""

    verb: Verb
    release: Release | None
    reason: str
    code: str = ""
    hint: str = ""


def read_release(value: Any) -> Release | None:
    """Return the release in one object of GitHub's API; None for a draft and for what is not one."""
    if not isinstance(value, Mapping) or value.get("draft") is True:
        return None
    tag = value.get("tag_name")
    if not isinstance(tag, str) or not is_version(tag.removeprefix("v")):
        return None
    version = parse_tag(tag)
    return Release(tag, version, value.get("prerelease") is True or version.is_prerelease, _asset_size(value))


def read_releases(value: Any) -> tuple[Release, ...]:
    """Return all releases of a list. Raises Invalid `releases-not-a-list`."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise Invalid("releases-not-a-list", "the release server's list of releases is not a list")
    return tuple(release for release in map(read_release, value) if release is not None)


def newest(releases: Collection[Release], channel: str) -> Release | None:
    """Return the highest version of a channel: stable leaves pre-releases out, beta takes both."""
    fitting = [release for release in releases if channel == BETA or not release.is_prerelease]
    return max(fitting, key=lambda release: release.version, default=None)


def choose(
    found: Release | None,
    *,
    current: str,
    rejected: Mapping[str, str],
    by_tag: bool,
    force: bool,
) -> Choice:
    """Decide about the release that was found.

    `rejected` maps versions to the reason they were rejected for; `by_tag` says an operator named the
    release (then a downgrade is meant). `force` also takes the same version again and a rejected one.
    """
    if found is None:
        return Choice(Verb.REFUSE, None, "the release server has no release of this channel", "no-release")
    version = str(found.version)
    running = parse_tag(current)
    if found.version == running and version == current and not force:
        says = f"{current} is installed" if by_tag else f"{current} is the newest release"
        return Choice(Verb.UP_TO_DATE, found, says)
    if found.version < running and not (by_tag or force):
        return Choice(Verb.UP_TO_DATE, found, f"{current} is newer than the newest release {version}")
    if version in rejected and not force:
        return Choice(
            Verb.REFUSE,
            found,
            f"{version} was rejected on this machine: {rejected[version]}",
            "version-rejected",
            f"wait for the next release, or: self-update rejected release {version}",
        )
    return Choice(Verb.TAKE, found, f"{current} -> {version}")


def is_in_canary(machine_id: str, version: str, probability: float) -> bool:
    """Return whether this machine belongs to the first share; the same answer each time for one version."""
    digest = hashlib.sha256(f"{machine_id}\n{version}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < probability


def rate_limit_wait(status: int, headers: Mapping[str, str], now: float) -> int | None:
    """Return the seconds a 403 or 429 asks to wait (1 to a day), None when the answer is no rate limit.

    Looks at `Retry-After` (seconds or a date, RFC 9110), then at `X-RateLimit-Remaining: 0` with
    `X-RateLimit-Reset` (Unix seconds); a bare 429 means a minute. `headers` has lower-case names.
    """
    if status not in (403, 429):
        return None
    wait = _retry_after(headers.get("retry-after", ""), now)
    if wait is None and headers.get("x-ratelimit-remaining", "").strip() == "0":
        reset = headers.get("x-ratelimit-reset", "").strip()
        wait = int(reset) - now if reset.isdecimal() and len(reset) < 16 else 60
    if wait is None:
        wait = 60 if status == 429 else None
    return None if wait is None else int(min(max(wait, 1), MAX_RATE_WAIT_S))


def _retry_after(text: str, now: float) -> float | None:
    text = text.strip()
    if text.isdecimal() and len(text) < 16:
        return float(text)
    try:
        return utils.parsedate_to_datetime(text).timestamp() - now if text else None
    except (ValueError, OverflowError):
        return None


def _asset_size(value: Mapping[str, Any]) -> int:
    assets = value.get("assets")
    for asset in assets if isinstance(assets, list) else ():
        if isinstance(asset, Mapping) and asset.get("name") == ASSET:
            size = asset.get("size")
            return size if isinstance(size, int) and size > 0 else 0
    return 0
