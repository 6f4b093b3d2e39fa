"""The routes that tell about the program itself: settings, what a page needs to know, kinds, OpenAPI."""

from collections.abc import Callable, Iterable

from podup import records
from podup.api.openapi import describe
from podup.recipes.table import RECIPES
from podup.server.request import PAGING, Request
from podup.server.response import Response, answer, answer_list
from podup.server.router import Route, Who
from podup.settings.load import Loaded
from podup.settings.render import value_rows
from podup.version import COMMIT, VERSION


class AboutRoutes:
    """Tells about the program."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        every = "List every setting with value, source and default; a secret only as set or not."
        page = "What a page has to know before anybody is logged in."
        kinds = "List the kinds of task and their parameters."
        return (
            Route("GET", "/api/settings", every, Who.ADMIN, self.settings),
            Route("GET", "/api/config", page, Who.OPEN, self.config, in_loop=True),
            Route("GET", "/api/kinds", kinds, Who.ADMIN, self.kinds, query=PAGING),
        )

    def settings(self, request: Request) -> Response:
        return answer({"settings": value_rows(self._loaded), "warnings": list(self._loaded.warnings)})

    def config(self, request: Request) -> Response:
        settings = self._loaded.settings
        return answer(
            {
                "version": VERSION,
                "commit": COMMIT,
                "public_url": settings.http.public_url or None,
                "login": {
                    "forward_auth": bool(settings.access.forward_header),
                    "token": True,
                    "open": settings.access.is_dev_open,
                },
                "webhooks": bool(settings.access.webhook_secrets),
            }
        )

    def kinds(self, request: Request) -> Response:
        rows = [
            {
                "kind": kind,
                "title": recipe.title,
                "params": [f.name for f in records.fields(recipe.params)],
            }
            for kind, recipe in RECIPES.items()
        ]
        return answer_list("kinds", rows, request)


def openapi_route(routes: Callable[[], Iterable[Route]]) -> Route:
    """Return the row that describes all rows, itself too."""

    def show(_request: Request) -> Response:
        return answer(describe(routes(), version=VERSION))

    says = "This description, as OpenAPI 3.1."
    return Route("GET", "/api/openapi.json", says, Who.OPEN, show)
