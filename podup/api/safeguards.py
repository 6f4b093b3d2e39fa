"""The routes of what holds deployments back: quarantined digests and freezes."""

from podup.core.digests import has_beginning
from podup.core.units import STACK, target_name
from podup.engine.engine import Engine
from podup.errors import Invalid, NotFound
from podup.records import asdict, dataclass
from podup.server.request import PAGING, Request
from podup.server.response import Response, answer, answer_list
from podup.server.router import Route, Who
from podup.store import digests, freezes, services
from podup.store.db import Connection
from podup.store.freezes import Freeze


@dataclass(frozen=True, slots=True)
class ReleaseBody:
    """Digests that begin with `digest`, of one unit or of all; an empty digest needs a unit."""

    digest: str = ""
    unit: str = ""
    caller: str = ""


@dataclass(frozen=True, slots=True)
class FreezeBody:
    """A unit, `stack:NAME`, or empty for everything."""

    unit: str = ""
    reason: str = ""
    caller: str = ""


class SafeguardRoutes:
    """Shows and changes what holds deployments back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def rows(self) -> tuple[Route, ...]:
        """Return the rows of the table."""
        let_go = "Let quarantined digests be deployed again."
        hold = "Hold deployments of a unit, or all, until `unfreeze`."
        go_on = "Let held deployments go on."
        post = [
            ("/api/quarantine/release", let_go, self.release, ReleaseBody, '{"unit":"api"}'),
            ("/api/freeze", hold, self.freeze, FreezeBody, '{"unit":"web","reason":"sale"}'),
            ("/api/unfreeze", go_on, self.unfreeze, FreezeBody, '{"unit":"web"}'),
        ]
        return (
            Route(
                "GET",
                "/api/quarantine",
                "List the digests that failed here and are not tried again.",
                Who.ADMIN,
                self.quarantined,
                query=("unit", "released", *PAGING),
            ),
            Route("GET", "/api/freezes", "List what is frozen.", Who.ADMIN, self.frozen, query=PAGING),
            *(
                Route("POST", path, says, Who.ADMIN, handler, effect=True, body=body, example=example)
                for path, says, handler, body, example in post
            ),
        )

    def quarantined(self, request: Request) -> Response:
        unit = request.query_one("unit")
        target = target_name(unit)
        with_released = request.query_one("released") == "1"
        with self._engine.store.read() as cx:
            found = digests.quarantined(cx, target=target, with_released=with_released)
        return answer_list("quarantine", [asdict(row) for row in found], request)

    def release(self, request: Request) -> Response:
        body: ReleaseBody = request.data
        if not body.digest and not body.unit:
            raise Invalid("no-digest", "neither a digest nor a unit was named", "see `quarantine list`")
        by = body.caller or request.principal.name
        with self._engine.store.write() as cx:
            held = digests.quarantined(cx, target=target_name(body.unit))
            chosen = [row for row in held if has_beginning(row.digest, body.digest)]
            for row in chosen:
                now_s = self._engine.clock.now()
                digests.release(cx, target=row.target, digest=row.digest, by=by, now_s=now_s)
        if not chosen:
            raise NotFound("not-quarantined", "nothing like that is quarantined", "see `quarantine list`")
        self._engine.wake()
        return answer({"released": [{"unit": row.target, "digest": row.digest} for row in chosen]})

    def frozen(self, request: Request) -> Response:
        with self._engine.store.read() as cx:
            found = freezes.all_freezes(cx)
        return answer_list("freezes", [_shown(freeze) for freeze in found], request)

    def freeze(self, request: Request) -> Response:
        body: FreezeBody = request.data
        caller = body.caller or request.principal.name
        with self._engine.store.write() as cx:
            target = _known(cx, body.unit)
            wanted = Freeze(target, self._engine.clock.now(), body.reason, caller)
            freezes.freeze(cx, wanted)
        return answer(_shown(wanted))

    def unfreeze(self, request: Request) -> Response:
        target = target_name(request.data.unit)
        with self._engine.store.write() as cx:
            if not freezes.unfreeze(cx, target):
                raise NotFound("not-frozen", f"{target or 'everything'} is not frozen", "see `freeze --list`")
        self._engine.wake()
        return answer({"unit": target, "frozen": False})


def _known(cx: Connection, unit: str) -> str:
    target = target_name(unit)
    if target and not target.startswith(STACK) and services.get(cx, target) is None:
        raise NotFound("unit-not-found", f"{target} is not a unit managed here", "see `services`")
    return target


def _shown(freeze: Freeze) -> dict[str, object]:
    return {
        "unit": freeze.target,
        "since": freeze.since,
        "reason": freeze.reason,
        "caller": freeze.caller,
        "frozen": True,
    }
