"""Who asks, and whether they may.

Identities, the first that applies: our own control socket (0600); ForwardAuth, the configured header with
the configured value and only from a trusted proxy; a token (`Authorization: Bearer`, or in the body or query
where the route says so); a session cookie; everybody when the program is open for development. Routes with
an effect that a cookie or ForwardAuth authenticates want `X-Podup-CSRF: 1`. Bad tokens are rate-limited by
address; the other identities are not, so nobody can lock the operator out. Tokens are known by their hash
only. All of it runs in the loop's thread.
"""

import ipaddress
from collections.abc import Callable
from functools import lru_cache

from podup.core.json_body import read_json
from podup.core.secrets import Secret
from podup.errors import Forbidden, Invalid, PodupError, Unauthorized
from podup.records import dataclass
from podup.server.failures import Failures
from podup.server.request import NOBODY, Peer, Principal, Request
from podup.server.router import PROBES, Route, Who
from podup.server.sessions import COOKIE, Sessions, hash_token

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
TokenLookup = Callable[[str], Principal | None]

ADMIN = frozenset(("admin",))
_CONTROL = Principal("command line", "control", ADMIN)
_DEVELOPER = Principal("anybody", "dev-open", ADMIN)
_FORWARDED_ADMIN = Principal("forward-auth", "forward-auth", ADMIN)  # the header's value is a secret
_LOOPBACK = Principal("this machine", "loopback")
_SIGNER = Principal("", "signature")
NO_SECRET = Secret("")
BEARER = "bearer "
_UNGUESSABLE_LETTERS = 22  # of base64 are 128 bits
_ADDRESS_LETTERS = 64
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class AuthRules:
    """What is configured: the ForwardAuth header (lower case) and its value, and whether all is open."""

    forward_header: str = ""
    forward_value: Secret = NO_SECRET
    trusted_proxies: tuple[Network, ...] = ()
    is_open: bool = False


class Barred(Forbidden):
    """Somebody we know, who may not do this."""

    def __init__(self, principal: Principal, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.principal = principal


class Auth:
    """Decides about requests; `token_lookup` maps a token's hash (`hash_token`) to its principal."""

    def __init__(
        self, rules: AuthRules, *, token_lookup: TokenLookup, sessions: Sessions, failures: Failures
    ) -> None:
        self._rules = rules
        self._lookup = token_lookup
        self.sessions = sessions
        self.failures = failures

    def client_of(self, peer: Peer, forwarded_for: str) -> str:
        """Return the address a request came from: the nearest one that is not a trusted proxy."""
        address = peer.address
        if not forwarded_for or not self._is_trusted(address):
            return address
        for hop in reversed(forwarded_for.split(",")):
            address = hop.strip()
            if _address(address) is None:
                return peer.address
            if not self._is_trusted(address):
                break
        return address

    def at_head(self, route: Route, request: Request) -> Principal | None:
        """Decide before the body is read; None when the token may still come in the body.

        Raises Unauthorized, Forbidden and RateLimited.
        """
        if route.who is Who.OPEN:
            return NOBODY
        if route.who is Who.SIGNATURE:
            return _SIGNER
        principal = self.identify(route, request)
        if principal is not None:
            self._check(route, request, principal)
            return principal
        if "body" in route.token_in and request.method not in ("GET", "HEAD"):
            return None
        raise self._nobody(request)

    def at_body(self, route: Route, request: Request) -> Principal:
        """Decide by the body's `token`, after `at_head` returned None. Raises as `at_head`."""
        try:
            said = read_json(request.body)
        except Invalid:
            said = None
        token = said.get("token") if isinstance(said, dict) else None
        if not isinstance(token, str) or not token:
            raise self._nobody(request)
        principal = self.principal_of(token, request)
        self._check(route, request, principal)
        return principal

    def identify(self, route: Route, request: Request) -> Principal | None:
        """Return who asks as far as the head tells. Raises Unauthorized for a token nobody knows."""
        if request.peer.is_control:
            return _CONTROL
        if self._is_forwarded(request):
            return _FORWARDED_ADMIN
        authorization = request.header("authorization")
        if authorization[: len(BEARER)].lower() == BEARER:
            return self.principal_of(authorization[len(BEARER) :].strip(), request)
        if "query" in route.token_in and request.query_one("token"):
            return self.principal_of(request.query_one("token"), request)
        session = self.sessions.find(request.cookie(COOKIE))
        if session is not None:
            if not session.token_hash or self._lookup(session.token_hash) is not None:
                return session.principal
            self.sessions.end(request.cookie(COOKIE))  # its token was revoked, or has run out
        if self._rules.is_open:
            return _DEVELOPER
        if route.who is Who.LOOPBACK and is_local(request):
            return _LOOPBACK
        return None

    def principal_of(self, token: str, request: Request) -> Principal:
        """Return whose token it is. Raises Unauthorized, or RateLimited after too many failures.

        A good token that is too long to be guessed never waits for others: behind a proxy that is not trusted
        all clients have one address, and whoever fails there would lock everybody out.
        """
        principal = self._lookup(hash_token(token))
        if principal is None or len(token) < _UNGUESSABLE_LETTERS:
            self.failures.check(request.client)
        if principal is None:
            self.failures.record(request.client)
            raise Unauthorized("bad-token", "the token is not known here", "see `token list`")
        return principal

    def _check(self, route: Route, request: Request, principal: Principal) -> None:
        if principal.how != "loopback" and not principal.may(route.scope):
            hint = f"it needs {route.scope}"
            raise Barred(principal, "out-of-scope", f"{principal.name} may not do this", hint)
        if not route.effect:
            return
        if principal.how in ("session", "forward-auth") and request.header("x-podup-csrf") != "1":
            says, hint = "the header X-Podup-CSRF is missing", "send X-Podup-CSRF: 1"
            raise Barred(principal, "csrf", says, hint)
        if principal.how == "dev-open" and request.header("sec-fetch-site") == "cross-site":
            raise Barred(principal, "csrf", "another site asked for this")

    def _is_forwarded(self, request: Request) -> bool:
        rules = self._rules
        if not rules.forward_header or not rules.forward_value:
            return False
        said = request.header(rules.forward_header)
        return self._is_trusted(request.peer.address) and rules.forward_value.matches(said)

    def _is_trusted(self, address: str) -> bool:
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._rules.trusted_proxies)

    def _nobody(self, request: Request) -> PodupError:
        if self._rules.forward_header in request.headers and not self._is_trusted(request.peer.address):
            hint = f"{request.peer.address} is not one of PODUP_TRUSTED_PROXIES"
        else:
            hint = "send Authorization: Bearer TOKEN, or log in"
        return Unauthorized("not-logged-in", "this needs an administrator", hint)


def is_local(request: Request) -> bool:
    """Return whether it comes from this machine, and not through a proxy."""
    address = _address(request.peer.address)
    is_loopback = address is not None and address.is_loopback
    return is_loopback and not any(name in request.headers for name in _FORWARDED)


def allow_hosts(names: tuple[str, ...]) -> Callable[[Request, Route], None]:
    """Return a check that refuses requests for other hosts (DNS rebinding) with 421.

    Addresses, `localhost`, the control socket, webhooks and probes always pass, and everything when `names`
    is empty.
    """
    allowed = {name.lower() for name in names} | {"localhost", ""}

    def check(request: Request, route: Route) -> None:
        if not names or route.who is Who.SIGNATURE or route.path in PROBES or request.peer.is_control:
            return
        host = request.header("host").lower()
        name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
        if name in allowed:
            return
        if _address(name.strip("[]")) is None:
            raise _Misdirected("wrong-host", "this host is not served here", "see PODUP_ALLOWED_HOSTS")

    return check


class _Misdirected(PodupError):
    """RFC 9110, 15.5.20."""

    status = 421


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address; what is too long for one is not kept in memory, whoever sends it."""
    return _parsed(text) if len(text) <= _ADDRESS_LETTERS else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
