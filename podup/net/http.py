"""The client for everything outbound over HTTP.

Promises: one deadline for the whole exchange, redirects and a server's trickle included; a cap on what is
read; at most `redirects` redirects, never from https to http, never with Authorization to another host;
nothing raised but PodupError (and what a sink raises); no cookies, no compression, no environment.
Proxies and trust come from whoever builds it. Messages name scheme, host and path, never a query or a
header: both may carry secrets.
"""

import http.client
import ssl
from collections.abc import Callable, Mapping

from podup.clock import Clock
from podup.core.proxies import proxy_for
from podup.core.urls import follow, read_url, shown
from podup.errors import Invalid, PodupError, Unavailable
from podup.net.connection import Connection, Deadline
from podup.net.trust import Trust
from podup.records import dataclass, replace
from podup.version import VERSION

USER_AGENT = f"pod-upgrade-trigger/{VERSION}"
_CHUNK = 64 * 1024
_ERROR_BODY = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_PRIVATE_HEADERS = ("authorization", "cookie", "x-token")
_OWN_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close"}
_TLS_HINT = "check the name and the certificate of the server, and the clock of this machine"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one exchange: seconds for all of it, bytes of the body, redirects followed."""

    deadline_s: float = 30.0
    max_bytes: int = 4 * 1024 * 1024
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `headers` keeps order and repeats, `url` is where it came from after redirects."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    url: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def header(self, name: str) -> str:
        """Return the first value of a header, empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def every(self, name: str) -> tuple[str, ...]:
        """Return all values of a header."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    limits: Limits
    verify: bool = True


class Http:
    """Holds proxies and trust; keeps no connection, so any thread may use it.

    `proxies` is as `podup.core.proxies.proxy_for` takes it.
    """

    def __init__(
        self, clock: Clock, *, proxies: Mapping[str, str] | None = None, trust: Trust | None = None
    ) -> None:
        self._clock = clock
        self._proxies = dict(proxies or {})
        self._trust = trust or Trust()

    def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limits: Limits = Limits(),
        verify: bool = True,
    ) -> Answer:
        """Return the answer, whatever its status, with its body.

        Raises Unavailable `unreachable`, `too-slow`, `tls-failed`, PodupError `response-too-large`,
        `bad-response`, `too-many-redirects`, `insecure-redirect`, Invalid `bad-url`. `verify=False` accepts
        any certificate.
        """
        chunks: list[bytes] = []
        call = _Call(method, url, dict(headers or {}), body, limits, verify)
        answer = self._follow(call, chunks.append, also_failures=True)
        return replace(answer, body=b"".join(chunks))

    def download(
        self,
        url: str,
        sink: Callable[[bytes], object],
        *,
        headers: Mapping[str, str] | None = None,
        limits: Limits = Limits(),
    ) -> Answer:
        """Give the body of a 2xx answer to `sink` piece by piece; of others up to 64 KiB are in `body`.

        Raises as `fetch` does, and whatever `sink` raises.
        """
        return self._follow(_Call("GET", url, dict(headers or {}), None, limits), sink, also_failures=False)

    def _follow(self, call: _Call, sink: Callable[[bytes], object], *, also_failures: bool) -> Answer:
        deadline = Deadline(self._clock.monotonic, call.limits.deadline_s)
        for _ in range(call.limits.redirects + 1):
            exchange = self._begin(call, deadline)
            try:
                following = _redirect(call, exchange.answer)
                if following is None:
                    return exchange.finish(sink, also_failures=also_failures)
            finally:
                exchange.close()
            call = following
        raise PodupError("too-many-redirects", f"{shown(call.url)} redirects too often")

    def _begin(self, call: _Call, deadline: Deadline) -> "_Exchange":
        """Connect, directly or through a proxy, send the request and read the head of the answer."""
        url, port = read_url(call.url)
        host = url.hostname or ""
        proxy = proxy_for(self._proxies, url.scheme, host, port)
        tls = self._trust.context(url.netloc, verify=call.verify) if url.scheme == "https" else None
        connection = Connection(proxy.host if proxy else host, proxy.port if proxy else port, deadline, tls)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {"Host": url.netloc, **_OWN_HEADERS, **call.headers}
        if proxy is not None and tls is not None:
            connection.reach_through(host, port, proxy.authorization)
        elif proxy is not None:
            target = f"http://{url.netloc}{target}"
            headers |= {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        return _Exchange(connection, call, target, headers)


class _Exchange:
    """One request and its response on one connection; turns what the network does into PodupErrors."""

    def __init__(self, connection: Connection, call: _Call, target: str, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._call = call
        try:
            connection.request(call.method, target, call.body, dict(headers))
            self._response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise _trouble(call.url, error) from None
        self.answer = Answer(self._response.status, tuple(self._response.getheaders()), b"", call.url)

    def finish(self, sink: Callable[[bytes], object], *, also_failures: bool) -> Answer:
        """Read the body into `sink`, or the beginning of a failure's into the answer."""
        if self.answer.header("Content-Encoding").lower() not in ("", "identity"):
            raise PodupError("bad-response", f"{shown(self._call.url)} compresses what it sends, unasked")
        if self.answer.ok or also_failures:
            self._read(sink, self._call.limits.max_bytes)
            return self.answer
        kept = bytearray()
        while len(kept) < _ERROR_BODY and (chunk := self._chunk()):
            kept += chunk
        return replace(self.answer, body=bytes(kept[:_ERROR_BODY]))

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def _read(self, sink: Callable[[bytes], object], max_bytes: int) -> None:
        response, count = self._response, 0
        told = response.length or 0
        while told <= max_bytes and (chunk := self._chunk()):
            count += len(chunk)
            if count > max_bytes:
                break
            sink(chunk)
        if max(told, count) > max_bytes:
            where = shown(self._call.url)
            raise PodupError("response-too-large", f"{where} sends more than {max_bytes} bytes")
        if response.length:
            where = shown(self._call.url)
            raise PodupError("bad-response", f"{where} ended {response.length} bytes too early")

    def _chunk(self) -> bytes:
        try:
            return self._response.read(_CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _trouble(self._call.url, error) from None


def _redirect(call: _Call, answer: Answer) -> _Call | None:
    """Return the call at the place the answer sends it to, None when there is nothing to follow."""
    location = answer.header("Location")
    if answer.status not in _REDIRECTS or not location or call.method not in ("GET", "HEAD"):
        return None
    url, is_elsewhere = follow(call.url, location)
    if not is_elsewhere:
        return replace(call, url=url)
    headers = {key: value for key, value in call.headers.items() if key.lower() not in _PRIVATE_HEADERS}
    return replace(call, url=url, headers=headers)


def _trouble(url: str, error: Exception) -> PodupError:
    """Return what went wrong in our words."""
    where = shown(url)
    if isinstance(error, TimeoutError):
        return Unavailable("too-slow", f"{where} did not answer in time", "try again, or allow more time")
    if isinstance(error, ssl.SSLError):
        return Unavailable("tls-failed", f"{where} cannot be trusted: {error.reason or error}", _TLS_HINT)
    if isinstance(error, OSError) and not isinstance(error, http.client.RemoteDisconnected):
        return Unavailable("unreachable", f"{where} cannot be reached: {error.strerror or error}")
    if isinstance(error, ValueError) and not isinstance(error, http.client.HTTPException):
        return Invalid("bad-url", f"the request to {where} has characters a request cannot have")
    reason = f"{type(error).__name__}: {error}"[:200]
    return PodupError("bad-response", f"{where} did not answer in proper HTTP: {reason}")
