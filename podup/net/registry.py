"""What a registry has under a reference, for one platform: digests, image id and size, without pulling.

Promises: every byte that counts was held against its digest; a tag is looked at with HEAD first, and what
its digest stands for is remembered, so looking often costs little (registries count GETs as pulls). Rules
of registries.conf are followed as Podman follows them. One deadline holds for one question.
Raises PodupErrors with the codes of `podup.core.registry_answers`, `registry-blocked`, `no-such-platform`
and `registry-wrong-digest`.
Source: OCI distribution specification 1.1.
"""

from collections.abc import Callable
from typing import TypeVar

from podup.clock import Clock
from podup.core.digests import digest_of, has_digest, is_digest
from podup.core.images import ImageRef
from podup.core.json_body import list_at, read_object
from podup.core.manifests import ACCEPTED_TYPES, Index, Manifest, read_manifest
from podup.core.platforms import Platform, choose_manifest
from podup.core.registries_conf import Registries
from podup.core.registry_answers import unreachable
from podup.errors import Invalid, PodupError
from podup.net.connection import Deadline
from podup.net.http import Http
from podup.net.registry_login import Logins, Tokens
from podup.net.registry_session import Line, Session
from podup.patterns import regex
from podup.recipes.facts import RemoteImage

TIMEOUT_S = 30.0
_MAX_TAG_PAGES = 20
_REMEMBERED = 1000
_ACCEPT = ", ".join(ACCEPTED_TYPES)
_NEXT = regex(r'<[^>]*\?([^>#]*)>\s*;\s*rel="?next"?')
_HEAD_UNKNOWN = (405, 501)

T = TypeVar("T")


class Registry:
    """Asks registries. Threads may share one; what it remembers is never wrong, only incomplete."""

    def __init__(
        self,
        http: Http,
        clock: Clock,
        *,
        logins: Logins | None = None,
        registries: Registries | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._clock = clock
        self._line = Line(http, clock, Tokens(clock, logins or Logins()))
        self._registries = registries or Registries()
        self._timeout_s = timeout_s
        self._remembered: dict[tuple[str, Platform], RemoteImage] = {}

    def resolve(self, ref: ImageRef, platform: Platform) -> RemoteImage:
        """Return what `ref` stands for on `platform` now; mirrors are asked before the registry itself."""
        return self._ask_places(ref, lambda session: self._resolve(session, ref, platform))

    def tags(self, ref: ImageRef) -> tuple[str, ...]:
        """Return the tags of the image's repository, in the registry's order; at most 20 pages."""
        return self._ask_places(ref, _list_tags)

    def _ask_places(self, ref: ImageRef, ask: Callable[[Session], T]) -> T:
        """Ask each place in turn; what the last one, the registry itself, says is what is told."""
        deadline = Deadline(self._clock.monotonic, self._timeout_s)
        *mirrors, own = (Session(self._line, place, deadline) for place in self._registries.places(ref))
        for session in mirrors:
            try:
                return ask(session)
            except PodupError:
                continue  # a mirror that is away or behind is no fault: Podman asks the next one too
        return ask(own)

    def _resolve(self, session: Session, ref: ImageRef, platform: Platform) -> RemoteImage:
        digest = ref.digest or _head_digest(session, ref.reference)
        known = self._remembered.get((digest, platform))
        if known is not None:
            return known
        found, digest = _read(session, digest or ref.reference)
        if isinstance(found, Index):
            entry = choose_manifest(found.entries, platform)
            manifest, _ = _read(session, entry.digest)
            if not isinstance(manifest, Manifest):
                raise unreachable(session.name, "an index names another index")
            image = _image(manifest, entry.digest, digest)
        else:
            image = _image(found, digest, "")
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[digest, platform] = image
        return image


def _image(manifest: Manifest, digest: str, index_digest: str) -> RemoteImage:
    size_bytes = manifest.config.size + sum(layer.size for layer in manifest.layers)
    return RemoteImage(digest, index_digest, manifest.config.digest, size_bytes)


def _head_digest(session: Session, tag: str) -> str:
    """Return the digest a tag stands for; empty when the registry does not tell it without a GET."""
    answer = session.ask("HEAD", f"manifests/{tag}", _ACCEPT, also=_HEAD_UNKNOWN)
    digest = answer.header("Docker-Content-Digest")
    return digest if answer.ok and is_digest(digest) else ""


def _read(session: Session, reference: str) -> tuple[Index | Manifest, str]:
    """Return the manifest or index under `reference`, and its digest, which was checked."""
    answer = session.ask("GET", f"manifests/{reference}", _ACCEPT)
    told = reference if is_digest(reference) else answer.header("Docker-Content-Digest")
    digest = told if is_digest(told) else digest_of(answer.body)
    if not has_digest(answer.body, digest):
        raise PodupError(
            "registry-wrong-digest",
            f"what the registry sent for {session.name} is not {digest}",
            "something between here and the registry alters what it sends, or the registry is damaged",
        )
    try:
        return read_manifest(answer.body, answer.header("Content-Type")), digest
    except Invalid as error:
        raise unreachable(session.name, error.message) from None


def _list_tags(session: Session) -> tuple[str, ...]:
    tags: list[str] = []
    query = "n=1000"
    for _ in range(_MAX_TAG_PAGES):
        answer = session.ask("GET", f"tags/list?{query}", "application/json")
        try:
            tags += [tag for tag in list_at(read_object(answer.body), "tags") if isinstance(tag, str)]
        except Invalid as error:
            raise unreachable(session.name, error.message) from None
        following = _NEXT.search(answer.header("Link"))
        if following is None:
            break
        query = following[1]
    return tuple(tags)
