"""From a framed request to its answer, without a socket: routes, rules, handlers, problems.

The connection calls `begin` and `admit` when the head is complete (so a request that is refused is refused
before its body is read), `complete` when the body is, then `answer` in the pool or `answer_turn` in the loop,
and `done` when the answer is on its way. This is the one place that catches what a request makes raise: the
loop serves all others too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from podup import records
from podup.clock import Clock
from podup.core.http1 import Head
from podup.core.states import new_id
from podup.errors import PodupError
from podup.late import late
from podup.log import say
from podup.records import dataclass
from podup.server.auth import Auth, Barred
from podup.server.codec import read_body
from podup.server.request import Peer, Principal, Request
from podup.server.response import Response, problem
from podup.server.router import Route, Router

if TYPE_CHECKING:
    import traceback
else:
    traceback = late("traceback")

Check = Callable[[Request, Route], None]
OnDone = Callable[[Request, Response, float], None]

_BODYLESS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request whose head passed; without a principal its token may still be in the body."""

    route: Route
    request: Request
    params: Mapping[str, str]
    principal: Principal | None

    @property
    def body_limit(self) -> int:
        return 0 if self.request.method in _BODYLESS else self.route.body_limit


def _ignore(_request: Request, _response: Response, _duration_s: float) -> None:
    """Nobody listens."""


class Site:
    """The routes and the rules before them.

    `checks` run on every request that has a route, before anybody is asked who they are (Host, maintenance);
    they raise PodupError; path parameters are not known to them yet. `on_done` hears of every answered
    request, in the loop's thread.
    """

    def __init__(
        self,
        router: Router,
        auth: Auth,
        clock: Clock,
        *,
        random_bytes: Callable[[int], bytes],
        checks: Sequence[Check] = (),
        on_done: OnDone = _ignore,
    ) -> None:
        self.router = router
        self._on_done = on_done
        self._auth = auth
        self._clock = clock
        self._random_bytes = random_bytes
        self._checks = tuple(checks)

    def begin(self, head: Head | None, peer: Peer) -> Request:
        """Return the request with its id; without a head, for one that was not understood."""
        request_id = new_id("req", self._random_bytes, self._clock.now())
        received_at = self._clock.monotonic()
        if head is None:
            return Request("-", "-", peer=peer, request_id=request_id, received_at=received_at)
        client = self._auth.client_of(peer, head.headers.get("x-forwarded-for", ""))
        return Request(
            head.method,
            head.path,
            query=head.query,
            headers=head.headers,
            peer=peer,
            client=client,
            request_id=request_id,
            received_at=received_at,
        )

    def admit(self, request: Request) -> Admitted:
        """Decide by the head alone. Raises PodupError."""
        try:
            match = self.router.match(request.method, request.path)
            for check in self._checks:
                check(request, match.route)
            return Admitted(match.route, request, match.params, self._auth.at_head(match.route, request))
        except PodupError:
            raise
        except Exception as error:
            raise _fault(request) from error

    def known(self, request: Request, admitted: Admitted | None, error: PodupError) -> Request:
        """Return a request that is refused with who asked, as far as that was found out."""
        found = admitted.principal if admitted is not None else None
        principal = error.principal if isinstance(error, Barred) else found
        if principal is None:
            return request
        action = self.router.match(request.method, request.path).route.action
        return records.replace(request, principal=principal, action=action)

    def complete(self, admitted: Admitted, body: bytes) -> Request:
        """Return the request with its body. Raises PodupError when its token is refused."""
        request, principal = admitted.request, admitted.principal
        if principal is None:
            principal = self._at_body(admitted.route, records.replace(request, body=body))
        return Request(
            request.method,
            request.path,
            request.query,
            request.headers,
            body,
            request.peer,
            request.client,
            request.request_id,
            admitted.params,
            principal,
            received_at=request.received_at,
            action=admitted.route.action,
        )

    def answer(self, route: Route, request: Request) -> Response:
        """Run a handler; never raises."""
        if route.handler is None:
            raise ValueError("a batch route is answered by answer_turn")
        try:
            if route.body is not None:
                request = records.replace(request, data=read_body(request, route.body))
            return route.handler(request)
        except PodupError as error:
            return self.refuse(request, error)
        except Exception:
            return self.refuse(request, _fault(request))

    def answer_turn(self, route: Route, requests: Sequence[Request]) -> Sequence[Response]:
        """Run a handler of the loop for all requests of one turn; never raises."""
        if route.batch is None:
            return [self.answer(route, request) for request in requests]
        try:
            responses = route.batch(requests)
            if len(responses) != len(requests):
                raise ValueError(f"{route.path}: {len(requests)} requests, {len(responses)} answers")
            return responses
        except PodupError as error:
            return [self.refuse(request, error) for request in requests]
        except Exception:
            return [self.refuse(request, _fault(request)) for request in requests]

    def done(self, request: Request, response: Response, duration_s: float) -> None:
        """Tell who listens that a request was answered; never raises."""
        try:
            self._on_done(request, response, duration_s)
        except Exception:
            _fault(request)

    def refuse(self, request: Request, error: PodupError) -> Response:
        """Return the answer that tells of an error; a page for a browser that navigates."""
        as_page = "text/html" in request.header("accept") and not request.path.startswith("/api/")
        return problem(error, request.request_id, as_page=as_page)

    def _at_body(self, route: Route, request: Request) -> Principal:
        try:
            return self._auth.at_body(route, request)
        except PodupError:
            raise
        except Exception as error:
            raise _fault(request) from error


def _fault(request: Request) -> PodupError:
    """Put the trace of what was caught in the log; return what the client is told."""
    say(f"{request.request_id} {request.method} {request.path}\n{traceback.format_exc()}")
    message = "this request met a fault in the program"
    return PodupError("internal-error", message, "see the program's log")
