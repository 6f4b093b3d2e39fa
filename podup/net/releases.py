"""The release server: GitHub, or any web server with the same files in the same places.

    API_URL/repos/OWNER/NAME/releases/latest                   one release (stable channel)
    API_URL/repos/OWNER/NAME/releases                          the list (beta channel), or releases/index.json
    BASE_URL/OWNER/NAME/releases/download/TAG/ASSET            the program
    BASE_URL/OWNER/NAME/releases/download/TAG/ASSET.sha256     its checksum, without which it is refused
    BASE_URL/OWNER/NAME/releases/download/TAG/ASSET.sig        its signature, wanted when signers are set

Shapes: https://docs.github.com/en/rest/releases/releases, rate limits:
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api. The answer is asked for
with its last ETag, so that a look without news is free. A server that asks for a short wait is waited for;
a longer one is remembered and nobody is asked before. No byte is trusted before its digest is right.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from podup.clock import Clock
from podup.core.checksums import LARGEST_BYTES, parse_checksum
from podup.core.releases import (
    ASSET,
    BETA,
    MAX_RATE_WAIT_S,
    Release,
    newest,
    rate_limit_wait,
    read_release,
    read_releases,
)
from podup.core.secrets import Secret
from podup.core.versions import parse_tag
from podup.errors import PodupError, RateLimited, Refused, Unavailable
from podup.files import NewFile, durable_write, make_dirs, remove, sync_dir
from podup.net.http import Answer, Http, Limits
from podup.records import dataclass

LARGEST_PROGRAM_BYTES = 64 * 1024 * 1024
LARGEST_LIST_BYTES = 8 * 1024 * 1024
_LARGEST_SIGNATURE_BYTES = 16 * 1024
_WAIT_HERE_S = 60
_TRIES = 3
_ACCEPT = "application/vnd.github+json"

Verify = Callable[[Path, bytes], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Where releases come from; `repo` is OWNER/NAME. `cache` is None where nothing may be written."""

    repo: str
    channel: str
    api_url: str
    base_url: str
    token: Secret | None = None
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for one exchange: a small file or answer, and the program."""

    small_s: float = 30.0
    program_s: float = 300.0


class ReleaseClient:
    """Asks one source. `verify` checks a signature (program, bytes) and raises; None: unsigned is fine."""

    def __init__(
        self,
        http: Http,
        clock: Clock,
        source: Source,
        *,
        verify: Verify | None = None,
        deadlines: Deadlines = Deadlines(),
    ) -> None:
        self._deadlines = deadlines
        self._http = http
        self._clock = clock
        self._source = source
        self._verify = verify

    def newest(self) -> Release | None:
        """Return the newest release of the channel, None when there is none.

        Raises Refused `no-release-repo`, RateLimited, Unavailable, PodupError `release-server-answer`.
        """
        base = f"{self._source.api_url.rstrip('/')}/repos/{self._repo()}/releases"
        if self._source.channel == BETA:
            return newest(read_releases(self._list(base)), BETA)
        found = read_release(self._json(f"{base}/latest"))
        return newest((found,), self._source.channel) if found else None

    def named(self, tag: str) -> Release:
        """Return the release of a tag; whether it exists shows the download. Raises Invalid."""
        return Release(tag, parse_tag(tag))

    def fetch(self, release: Release, target: Path) -> str:
        """Download into the new file `target` (0600), verify, and return the SHA-256.

        Raises Refused `checksum-missing`, `signature-missing`, PodupError `checksum-mismatch`, Invalid
        `checksum-file-invalid`, and what the network raises; then there is nothing at `target`.
        """
        url = self.url_of(release.tag)
        expected = parse_checksum(self._small(f"{url}.sha256", "checksum", LARGEST_BYTES), ASSET)
        signature = self._small(f"{url}.sig", "signature", _LARGEST_SIGNATURE_BYTES) if self._verify else b""
        remove(target, missing_ok=True)
        try:
            found = self._download(url, target)
            if found != expected:
                hint = "try again later; nothing was changed"
                raise PodupError(
                    "checksum-mismatch", f"{ASSET} of {release.tag} is not what was published", hint
                )
            if self._verify is not None:
                self._verify(target, signature)
        except BaseException:
            remove(target, missing_ok=True)
            raise
        sync_dir(target.parent)
        return found

    def url_of(self, tag: str) -> str:
        """Return the address of the program of a release."""
        base = self._source.base_url.rstrip("/")
        return f"{base}/{self._repo()}/releases/download/{quote(tag, safe='')}/{ASSET}"

    def _repo(self) -> str:
        if not self._source.repo:
            hint = "set PODUP_RELEASE_REPO=OWNER/NAME in ~/.config/pod-upgrade-trigger-http.env"
            raise Refused("no-release-repo", "nothing says which repository releases come from", hint)
        return self._source.repo

    def _list(self, base: str) -> Any:
        try:
            found = self._json(f"{base}?per_page=30")
        except PodupError as error:
            if error.code != "release-server-answer":
                raise
            found = None
        # A directory of static files cannot have a file at the name of the directory.
        return found if isinstance(found, list) else (self._json(f"{base}/index.json") or [])

    def _json(self, url: str) -> Any:
        """Return the JSON behind `url`, None for 404; from the cache when nothing changed."""
        kept = self._kept(url)
        headers = {"Accept": _ACCEPT, "X-GitHub-Api-Version": "2022-11-28"}
        if self._source.token is not None:
            headers["Authorization"] = f"Bearer {self._source.token.reveal()}"
        if kept.get("etag"):
            headers["If-None-Match"] = kept["etag"]
        limits = Limits(deadline_s=self._deadlines.small_s, max_bytes=LARGEST_LIST_BYTES)
        answer = self._patiently(lambda: self._http.fetch("GET", url, headers=headers, limits=limits))
        if answer.status == 304 and "body" in kept:
            return kept["body"]
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise _unexpected(url, answer.status)
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise PodupError("release-server-answer", f"{url} did not answer with JSON") from None
        self._keep({"url": url, "etag": answer.header("ETag"), "body": _trimmed(body)})
        return body

    def _small(self, url: str, what: str, max_bytes: int) -> bytes:
        limits = Limits(deadline_s=self._deadlines.small_s, max_bytes=max_bytes)
        answer = self._patiently(lambda: self._http.fetch("GET", url, limits=limits))
        if answer.status in (404, 410):
            hint = f"is there such a release? one without its {what} is refused"
            raise Refused(f"{what}-missing", f"there is no {what} at {url}", hint)
        if answer.status != 200:
            raise _unexpected(url, answer.status)
        return answer.body

    def _download(self, url: str, target: Path) -> str:
        limits = Limits(deadline_s=self._deadlines.program_s, max_bytes=LARGEST_PROGRAM_BYTES)
        digests = []

        def once() -> Answer:
            remove(target, missing_ok=True)
            hashed = hashlib.sha256()
            with NewFile(target) as file:

                def take(chunk: bytes) -> None:
                    file.write(chunk)
                    hashed.update(chunk)

                answer = self._http.download(url, take, limits=limits)
                file.sync()
            digests.append(hashed.hexdigest())
            return answer

        answer = self._patiently(once)
        if answer.status != 200:
            raise _unexpected(url, answer.status)
        return digests[-1]

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask up to three times: again after trouble on the way, 5xx, and a short wait asked for."""
        not_before = self._not_before()
        if not_before > self._clock.now():
            raise _limited(int(not_before - self._clock.now()) + 1)
        for attempt in range(1, _TRIES + 1):
            is_last = attempt == _TRIES
            try:
                answer = ask()
            except Unavailable:
                if is_last:
                    raise
                self._clock.sleep(2.0 * attempt)
                continue
            headers = {name.lower(): value for name, value in answer.headers}
            wait = rate_limit_wait(answer.status, headers, self._clock.now())
            if wait is not None and (wait > _WAIT_HERE_S or is_last):
                self._keep({"not_before": self._clock.now() + wait})
                raise _limited(wait)
            if wait is None and (answer.status < 500 or is_last):
                return answer
            self._clock.sleep(float(wait or 2.0 * attempt))
        raise AssertionError("the last attempt returns or raises")

    def _kept(self, url: str) -> dict[str, Any]:
        kept = self._cache()
        return kept if kept.get("url") == url else {}

    def _not_before(self) -> float:
        value = self._cache().get("not_before", 0)
        if not isinstance(value, int | float) or value > self._clock.now() + MAX_RATE_WAIT_S:
            return 0.0  # noted while the clock was ahead of today
        return float(value)

    def _cache(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._source.cache.read_bytes()) if self._source.cache else {}
        except (OSError, ValueError, RecursionError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _keep(self, values: dict[str, Any]) -> None:
        if self._source.cache is not None:
            make_dirs(self._source.cache.parent)
            durable_write(self._source.cache, json.dumps(values).encode())


def _trimmed(body: Any) -> Any:
    """Return the parts of an answer that are read; release notes may be long."""
    names = ("tag_name", "draft", "prerelease", "assets", "message")
    if isinstance(body, list):
        return [_trimmed(one) for one in body]
    return {name: body[name] for name in names if name in body} if isinstance(body, dict) else body


def _limited(wait_s: int) -> RateLimited:
    message = f"the release server asks to wait {wait_s} s"
    return RateLimited(
        "release-rate-limited", message, "set PODUP_RELEASE_TOKEN for more", retry_after_s=wait_s
    )


def _unexpected(url: str, status: int) -> PodupError:
    hint = "check PODUP_RELEASE_REPO, PODUP_RELEASE_API_URL and PODUP_RELEASE_BASE_URL"
    return PodupError("release-server-answer", f"{url} answered with status {status}", hint)
