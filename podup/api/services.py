"""The route that lists services: what runs, what is newer, how it is."""

from typing import Any
from urllib.parse import quote

from podup.engine.engine import Engine
from podup.server.request import PAGING, Request
from podup.server.response import Response, answer_list
from podup.server.router import Route, Who
from podup.store import deployments, digests, freezes, services
from podup.store.deployments import Deployment
from podup.store.services import Service


class ServiceRoutes:
    """Lists services."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        return (
            Route(
                "GET",
                "/api/manual/services",
                "List every known unit; `refresh=1` looks at the machine and the registries again.",
                Who.ADMIN,
                self.list,
                query=("refresh", *PAGING),
            ),
        )

    def list(self, request: Request) -> Response:
        if request.query_one("refresh") == "1":
            self._engine.catalogue.refresh()
        with self._engine.store.read() as cx:
            known = services.all_known(cx)
            latest = deployments.latest(cx)
            held = {(row.target, row.digest): row.reason for row in digests.quarantined(cx)}
            frozen = {freeze.target: freeze.reason for freeze in freezes.all_freezes(cx)}
            marks = services.needing_operator(cx)
        rows = [
            _row(service, latest.get(service.unit))
            | {
                "quarantined": held.get((service.unit, service.remote_digest)),
                "frozen": frozen.get(service.unit, frozen.get("")),
                "needs_operator": marks[service.unit].reason if service.unit in marks else None,
            }
            for service in known
        ]
        return answer_list("services", rows, request)


def _row(service: Service, latest: Deployment | None) -> dict[str, Any]:
    return {
        "unit": service.unit,
        "slug": service.slug,
        "image": service.image or None,
        "source": service.source,
        "running_digest": service.running_digest or None,
        "remote_digest": service.remote_digest or None,
        "next_digest": service.details.get("next_digest") or None,
        "update": {
            "state": service.update_state,
            "reason": service.update_reason or None,
            "newer_tag": service.newer_tag or None,
        },
        "health": service.health or "unknown",
        "problem": service.details.get("problem") or None,
        "checked_at": service.checked_at,
        "last_deployment": latest
        and {
            "outcome": latest.outcome,
            "kind": latest.kind,
            "finished_at": latest.finished_at,
            "to_digest": latest.to_digest,
            "task_id": latest.task_id,
        },
        "webhook_path": webhook_path(service),
    }


def webhook_path(service: Service) -> str:
    """Return where pushes to this service are told of, as a URL holds it."""
    return f"/github-package-update/{quote(service.slug, safe='@:')}"
