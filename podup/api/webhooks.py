"""The webhook routes: signature first, then one commit for all deliveries of one turn of the loop.

A delivery is answered 202 after the commit that holds it. One whose signature is wrong leaves its body for
an operator to look at and no row of its own.
"""

from collections.abc import Callable, Sequence

from podup.engine.engine import Engine
from podup.engine.inbox import Checked, Knock, Reply
from podup.errors import PodupError, Unauthorized
from podup.records import replace
from podup.server.request import Request
from podup.server.response import Response, answer, problem
from podup.server.router import Route, Who
from podup.store.events import Event

BODY_LIMIT = 1024 * 1024


class WebhookRoutes:
    """Takes webhooks. `keep_payload` hears the body of each whose signature was wrong, `keep_for_later`
    keeps those that come while the database takes no write, until it does.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        keep_payload: Callable[[bytes], None],
        keep_for_later: Callable[[Knock], None],
    ) -> None:
        self._engine = engine
        self._keep_payload = keep_payload
        self._keep_for_later = keep_for_later

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        path = "/github-package-update/{unit}"
        says = "Take a signed webhook for a unit."
        return tuple(
            Route(
                "POST",
                pattern,
                says,
                Who.SIGNATURE,
                batch=self.take,
                effect=True,
                body_limit=BODY_LIMIT,
            )
            for pattern in (path, f"{path}/redeploy")
        )

    def take(self, requests: Sequence[Request]) -> list[Response]:
        """Answer all webhooks of one turn; those that passed are committed together."""
        checked = [(request, self._check(request)) for request in requests]
        passed = [(request, item) for request, item in checked if isinstance(item, Checked)]
        accepted = self._accept(passed) if passed else []
        if len(accepted) == len(requests):
            return accepted
        answers = iter(accepted)
        return [
            next(answers) if isinstance(item, Checked) else problem(item, request.request_id)
            for request, item in checked
        ]

    def _check(self, request: Request) -> Checked | PodupError:
        """Return what was checked, or the error without its traceback: by way of the frames of this turn
        it would hold all errors of the turn, and with them the bodies, until a collection.
        """
        try:
            return self._engine.inbox.check(knock_of(request))
        except PodupError as error:
            if isinstance(error, Unauthorized):
                self._keep_payload(request.body)
            return error.with_traceback(None)

    def _accept(self, passed: Sequence[tuple[Request, Checked]]) -> list[Response]:
        engine = self._engine
        try:
            with engine.store.write() as cx:
                replies = engine.inbox.accept_all(cx, [checked for _, checked in passed])
                engine.log.write(cx, [self._event(*pair) for pair in zip(passed, replies, strict=True)])
        except PodupError as error:
            if error.code == "maintenance":
                return self._keep(passed)
            return [problem(error, request.request_id) for request, _ in passed]
        engine.log.announce()
        if any(reply.is_new or reply.status == 404 for reply in replies):
            engine.wake()
        return [
            _respond(request, reply, is_logged=True)
            for (request, _), reply in zip(passed, replies, strict=True)
        ]

    def _event(self, passed: tuple[Request, Checked], reply: Reply) -> Event:
        request, checked = passed
        clock = self._engine.clock
        meta = {
            "source": "webhook",
            "unit": checked.unit,
            "client": request.client,
            "delivery_id": checked.knock.delivery_id,
            "event": checked.knock.event,
        }
        if reply.error is not None:
            meta["error"] = reply.error.code
        return Event(
            ts=clock.now(),
            request_id=request.request_id,
            method=request.method,
            path=request.path,
            status=reply.status,
            action=request.action,
            duration_ms=round((clock.monotonic() - request.received_at) * 1000),
            meta=meta,
            task_id=reply.task_id,
        )

    def _keep(self, passed: Sequence[tuple[Request, Checked]]) -> list[Response]:
        """Accept without the database, which is being updated."""
        try:
            for _, item in passed:
                self._keep_for_later(item.knock)
        except PodupError as error:
            return [problem(error, request.request_id) for request, _ in passed]
        later = Reply(202, {"status": "accepted", "reason": "runs after the update"})
        return [_respond(request, later) for request, _ in passed]


def knock_of(request: Request) -> Knock:
    """Return the webhook a request carries."""
    header = request.headers.get
    return Knock(
        unit=request.params["unit"],
        body=request.body,
        event=header("x-github-event", ""),
        delivery_id=header("x-github-delivery", ""),
        signature=header("x-hub-signature-256", ""),
        generic_signature=header("x-podup-signature-256", ""),
        content_type=header("content-type", ""),
        request_id=request.request_id,
        path=request.path,
    )


def _respond(request: Request, reply: Reply, *, is_logged: bool = False) -> Response:
    if reply.error is not None:
        return replace(problem(reply.error, request.request_id), is_logged=is_logged)
    return answer(reply.body, reply.status, is_logged=is_logged)
