"""`demo`: a good push goes live and a broken one is taken back, on a simulated host."""

from collections.abc import Mapping
from typing import Any

from podup.cli.context import Context
from podup.cli.output import Output
from podup.cli.timeline import follow

_ANY_PORT = "127.0.0.1:0"
_PAUSE_S = 20.0
_WEB = ("web.service", "ghcr.io/acme/web:latest")
_API = ("api.service", "ghcr.io/acme/api:latest")
_WORKER = ("worker.service", "ghcr.io/acme/worker:stable")
_ACTS = (
    (*_WEB, "v2", "good", "Someone pushes web v2, and it is good: it goes live."),
    (*_API, "v2", "unhealthy", "Someone pushes api v2, whose health check fails: it is taken back."),
    (*_WORKER, "v2", "exits", "Someone pushes worker v2, which exits at once: it is taken back."),
    (*_API, "v3", "healthy", "Someone mends api and pushes v3: it goes live."),
)


def run(args: Mapping[str, Any], context: Context) -> int:
    """Serve the demo and tell its story."""
    once = args["once"]
    address = args["http_addr"] or (_ANY_PORT if once else "127.0.0.1:25211")
    return int(context.app().demo(address, lambda stage: _tell(stage, context, once=once)))


def _tell(stage: Any, context: Context, *, once: bool) -> None:
    out = context.out
    out.line(out.styled("This is a simulated host: nothing of this machine is touched.", "strong"))
    out.line(f"Its page is {stage.url}/ and its API is described at {stage.url}/api/openapi.json")
    _list(stage, out)
    for act in _ACTS:
        _play(stage, out, *act)
    _list(stage, out)
    if once:
        return
    out.line()
    out.line(out.styled("More pushes follow. Ctrl-C ends the demo and removes everything.", "strong"))
    out.line("Meanwhile, from another terminal:")
    for line in _invitations(stage, context.program):
        out.line(f"  {line}")
    number = 3
    while True:
        stage.sleep(_PAUSE_S)
        number += 1
        unit, image, _, behaviour, _ = _ACTS[number % len(_ACTS)]
        _play(stage, out, unit, image, f"v{number}", behaviour, f"Someone pushes {unit} v{number}.")


def _invitations(stage: Any, program: str) -> tuple[str, ...]:
    """Return lines to copy: the program's commands meet this daemon, and so does curl."""
    return (
        f"export {stage.shell}",
        f"{program} services",
        f"{program} tasks list",
        f"{program} rollback web",
        f"curl {stage.url}/api/tasks",
        f"curl {stage.url}/api/manual/services/web --json '{{\"dry_run\": true}}'",
    )


def _play(stage: Any, out: Output, *act: str) -> None:
    unit, image, version, behaviour, says = act
    out.line()
    out.line(out.styled(says, "accent"))
    follow(stage.api, out, stage.push(unit, image, version, behaviour))


def _list(stage: Any, out: Output) -> None:
    out.line()
    for service in stage.api.call("GET", "/api/manual/services", query={"refresh": "1"})["services"]:
        digest = (service["running_digest"] or "")[:19]
        out.line(f"  {service['unit']:<16} {service['health']:<9} {service['image']:<32} {digest}")
