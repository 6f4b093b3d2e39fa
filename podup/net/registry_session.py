"""One question to one place of an image: which scheme, who asks, what a refusal means.

A place marked insecure is asked over https with any certificate first and over http when that fails, as
Podman does; all others only over https with a certificate that holds.
"""

from collections.abc import Mapping

from podup.clock import Clock
from podup.core.registries_conf import Place
from podup.core.registry_answers import refusal, slow, unreachable
from podup.errors import PodupError
from podup.net.connection import Deadline
from podup.net.http import Answer, Http, Limits
from podup.net.registry_login import Tokens

_MAX_ANSWER = 4 * 1024 * 1024
_NO_TLS = ("unreachable", "tls-failed", "bad-response", "too-slow")


class Line:
    """What all questions share: the client, what was learned of logins and of hosts without TLS."""

    def __init__(self, http: Http, clock: Clock, tokens: Tokens) -> None:
        self.http = http
        self.clock = clock
        self.tokens = tokens
        self.plain_hosts: set[str] = set()


class Session:
    """Asks `place` until `deadline`; every refusal is a PodupError of `podup.core.registry_answers`."""

    def __init__(self, line: Line, place: Place, deadline: Deadline) -> None:
        self._line = line
        self.place = place
        self._deadline = deadline
        self.name = f"{place.registry}/{place.repository}"

    def ask(self, method: str, path: str, accept: str, *, also: tuple[int, ...] = ()) -> Answer:
        """Return a 2xx answer about `path` below the repository, or one with a status in `also`."""
        answer = self._ask_as(method, path, accept, self._line.tokens.known(self.place))
        if answer.status == 401:
            self._line.tokens.forget(self.place)
            value = self._line.tokens.answer(self.place, answer, self._fetch)
            answer = self._ask_as(method, path, accept, value) if value else answer
        if answer.ok or answer.status in also:
            return answer
        headers = {key.lower(): value for key, value in answer.headers}
        raise refusal(self._about(path), answer.status, headers, answer.body, self._line.clock.now())

    def _about(self, path: str) -> str:
        kind, _, reference = path.partition("/")
        if kind != "manifests":
            return self.name
        return f"{self.name}{'@' if ':' in reference else ':'}{reference}"

    def _ask_as(self, method: str, path: str, accept: str, authorization: str) -> Answer:
        headers = {"Accept": accept} | ({"Authorization": authorization} if authorization else {})
        address = f"{self.place.host}/v2/{self.place.repository}/{path}"
        if self.place.insecure and self.place.host not in self._line.plain_hosts:
            try:
                return self._try(method, f"https://{address}", headers, None, share=0.3)
            except PodupError as error:
                if error.code not in _NO_TLS:
                    raise self._translated(error) from None
        scheme = "http" if self.place.insecure else "https"
        answer = self._fetch(method, f"{scheme}://{address}", headers, None)
        if self.place.insecure:
            self._line.plain_hosts.add(self.place.host)
        return answer

    def _fetch(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        try:
            return self._try(method, url, headers, body)
        except PodupError as error:
            raise self._translated(error) from None

    def _try(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, share: float = 1.0
    ) -> Answer:
        try:
            limits = Limits(self._deadline.left_s() * share, _MAX_ANSWER)
        except TimeoutError:
            raise slow(self.name) from None
        verify = not self.place.insecure
        return self._line.http.fetch(method, url, headers=headers, body=body, limits=limits, verify=verify)

    def _translated(self, error: PodupError) -> PodupError:
        if error.code == "registry-slow":
            return error
        return slow(self.name) if error.code == "too-slow" else unreachable(self.name, error.message)
