"""The webhook routes: signature first, then one commit for all deliveries of one turn of the loop.

A delivery is answered 202 after the commit that holds it. One whose signature is wrong leaves its body for
an operator to look at and no row of its own.
"""

from collections.abc import Callable, Sequence

from podup.api.request import Request
from podup.api.response import Response, answer, problem
from podup.api.router import Route, Who
from podup.engine.engine import Engine
from podup.engine.inbox import Checked, Knock, Reply
from podup.errors import PodupError, Unauthorized

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
        checked = [self._check(request) for request in requests]
        passed = [item for item in checked if isinstance(item, Checked)]
        replies = iter(self._accept(passed) if passed else ())
        answers = [
            next(replies) if isinstance(item, Checked) else Reply(item.status, error=item) for item in checked
        ]
        if any(reply.task_id for reply in answers):
            self._engine.wake()
        return [_respond(request, reply) for request, reply in zip(requests, answers, strict=True)]

    def _check(self, request: Request) -> Checked | PodupError:
        try:
            return self._engine.inbox.check(knock_of(request))
        except Unauthorized as error:
            self._keep_payload(request.body)
            return error
        except PodupError as error:
            return error

    def _accept(self, passed: Sequence[Checked]) -> list[Reply]:
        try:
            with self._engine.store.write() as cx:
                return [self._engine.inbox.accept(cx, item) for item in passed]
        except PodupError as error:
            if error.code == "maintenance":
                return self._keep(passed)
            return [Reply(error.status, error=error) for _ in passed]

    def _keep(self, passed: Sequence[Checked]) -> list[Reply]:
        """Accept without the database, which is being updated."""
        try:
            for item in passed:
                self._keep_for_later(item.knock)
        except PodupError as error:
            return [Reply(error.status, error=error) for _ in passed]
        return [Reply(202, {"status": "accepted", "reason": "runs after the update"}) for _ in passed]


def knock_of(request: Request) -> Knock:
    """Return the webhook a request carries."""
    return Knock(
        unit=request.params["unit"],
        body=request.body,
        event=request.header("x-github-event"),
        delivery_id=request.header("x-github-delivery"),
        signature=request.header("x-hub-signature-256"),
        generic_signature=request.header("x-podup-signature-256"),
        content_type=request.header("content-type"),
        request_id=request.request_id,
        path=request.path,
    )


def _respond(request: Request, reply: Reply) -> Response:
    if reply.error is not None:
        return problem(reply.error, request.request_id)
    return answer(dict(reply.body), status=reply.status)
