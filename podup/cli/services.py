"""`services`: every known unit, what it runs, and whether there is something newer."""

from collections.abc import Mapping
from typing import Any

from podup.cli.calls import call_for_all
from podup.cli.context import Context
from podup.errors import EXIT_DONE

_ROLES = {"healthy": "", "running": "", "unhealthy": "bad", "failed": "bad", "stopped": "muted"}


def run(args: Mapping[str, Any], context: Context) -> int:
    """List the services; with `--refresh` after looking at the machine and the registries again."""
    query = {"refresh": "1"} if args["refresh"] else {}
    answer = call_for_all(context.app().api, "/api/manual/services", "services", query=query)
    services = answer["services"]
    if args["json"]:
        context.out.json(answer)
        return EXIT_DONE
    if not services:
        context.out.note("no services are known; `services --refresh` looks for them")
        context.out.note("`doctor` tells what is missing, PODUP_MANUAL_UNITS names units that are not found")
        return EXIT_DONE
    context.out.table(
        ("unit", "health", "update", "digest", "source", "image"),
        [_row(service) for service in services],
        roles=[_ROLES.get(service["health"], "") for service in services],
    )
    return EXIT_DONE


def _row(service: Mapping[str, Any]) -> tuple[str, ...]:
    marks = [mark for mark in ("frozen", "quarantined", "needs_operator") if service.get(mark)]
    if service.get("next_digest"):
        marks.append(f"next start {service['next_digest'].removeprefix('sha256:')[:12]}")
    update = ", ".join((service["update"]["state"].replace("_", " "), *marks))
    digest = str(service["running_digest"] or "")
    return (
        service["unit"],
        service["health"],
        update,
        digest.removeprefix("sha256:")[:12] or "-",
        service["source"],
        service["image"] or "-",
    )
