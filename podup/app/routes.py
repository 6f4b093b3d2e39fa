"""All routes of the program and the site that serves them."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from podup.api import login
from podup.api.about import AboutRoutes, openapi_route
from podup.api.auto_update import AutoUpdateRoutes, windows_of
from podup.api.deliveries import DeliveryRoutes
from podup.api.events import EventRoutes
from podup.api.health import HealthRoutes
from podup.api.live import LiveRoutes
from podup.api.manual import ManualRoutes
from podup.api.plain_pages import LOGIN, PAGES, PlainPages
from podup.api.safeguards import SafeguardRoutes
from podup.api.scheduler import SchedulerRoutes
from podup.api.services import ServiceRoutes
from podup.api.stacks import StackRoutes
from podup.api.tasks import TaskRoutes
from podup.api.tokens import TokenRoutes
from podup.api.updates import UpdateRoutes
from podup.api.upkeep import UpkeepRoutes
from podup.api.webhooks import WebhookRoutes
from podup.app.building import Built
from podup.app.duties import ages_of
from podup.app.rules import is_scheduling
from podup.app.updates import refuse_for_now
from podup.clock import Clock
from podup.core.secrets import Secret
from podup.engine.engine import Engine
from podup.engine.host_state import HostState
from podup.engine.inbox import Knock
from podup.engine.upkeep import Upkeep
from podup.records import dataclass
from podup.server import static
from podup.server.auth import ADMIN, NO_SECRET, Auth, AuthRules, allow_hosts
from podup.server.dispatch import Check, OnDone, Site
from podup.server.failures import Failures
from podup.server.request import Principal
from podup.server.router import Route, Router
from podup.server.sessions import Sessions, hash_token
from podup.server.sse import Hub
from podup.settings.load import Loaded
from podup.store import tokens
from podup.store.tokens import Token
from podup.version import VERSION

if TYPE_CHECKING:
    from podup.update.assemble import Parts


def _forget(_body: bytes) -> None:
    """Nobody keeps what was refused."""


def _not_noted(_token: Token) -> None:
    """Nobody keeps when a token was used."""


@dataclass(frozen=True, slots=True)
class UpdateHooks:
    """What the daemon's part in its own updates gives to the routes."""

    keep_for_later: Callable[[Knock], None]
    parts: "Callable[[], Parts]"
    health: Callable[[], dict[str, Any]]


def all_routes(
    built: Built,
    loaded: Loaded,
    hub: Hub,
    updates: UpdateHooks,
    *,
    keep_payload: Callable[[bytes], None] = _forget,
    host: Callable[[], HostState | None] = lambda: None,
) -> tuple[Route, ...]:
    """Return the rows of a daemon, but those of `site_of`; `host` gives the last look at the host."""
    return (
        *engine_routes(
            built, loaded, hub, keep_payload=keep_payload, keep_for_later=updates.keep_for_later
        ),
        *UpdateRoutes(updates.parts).rows(),
        *HealthRoutes(
            built.engine,
            version=VERSION,
            update=updates.health,
            host=host,
            setbacks=lambda: built.dispatcher.setbacks.newest,
        ).rows(),
    )


def engine_routes(
    built: Built,
    loaded: Loaded,
    hub: Hub,
    *,
    keep_payload: Callable[[bytes], None] = _forget,
    keep_for_later: Callable[[Knock], None] = refuse_for_now,
) -> tuple[Route, ...]:
    """Return the rows that work on the engine."""
    engine = built.engine
    return (
        *TaskRoutes(engine).rows(),
        *ServiceRoutes(engine).rows(),
        *ManualRoutes(engine).rows(),
        *StackRoutes(engine, built.stacks).rows(),
        *SchedulerRoutes(built.scheduler, is_running=is_scheduling(loaded)).rows(),
        *LiveRoutes(engine, hub).rows(),
        *EventRoutes(engine, hub).rows(),
        *AutoUpdateRoutes(engine, windows_of(loaded.settings.limits)).rows(),
        *DeliveryRoutes(engine, loaded).rows(),
        *SafeguardRoutes(engine).rows(),
        *TokenRoutes(engine).rows(),
        *UpkeepRoutes(engine, upkeep_of(built, loaded)).rows(),
        *AboutRoutes(loaded).rows(),
        *WebhookRoutes(engine, keep_payload=keep_payload, keep_for_later=keep_for_later).rows(),
    )


def upkeep_of(built: Built, loaded: Loaded) -> Upkeep:
    """Return what looks after the state directory when an operator asks."""
    state, engine = loaded.settings.state, built.engine
    return Upkeep(state.directory, state.database, engine.store, engine.clock, ages_of(loaded))


def auth_of(
    loaded: Loaded,
    engine: Engine,
    clock: Clock,
    *,
    admin_token: Secret | None = None,
    on_use: Callable[[Token], None] = _not_noted,
) -> Auth:
    """Return who may do what: ForwardAuth, configured tokens, tokens of the database.

    `on_use` hears of every use of one of the last.
    """
    access = loaded.settings.access
    configured: dict[str, Principal] = {}
    for name, token, scopes in (
        ("PODUP_TOKEN", access.token, ADMIN),
        ("PODUP_MANUAL_TOKEN", access.manual_token, frozenset(("manual",))),
        ("admin", admin_token, ADMIN),
    ):
        if token:
            configured.setdefault(hash_token(token.reveal()), Principal(name, "token", scopes))

    def lookup(token_hash: str) -> Principal | None:
        known = configured.get(token_hash)
        if known is not None:
            return known
        with engine.store.read() as cx:
            row = tokens.find(cx, token_hash, now_s=clock.now())
        if row is not None:
            on_use(row)
        return Principal(row.name, "token", frozenset(row.scopes)) if row is not None else None

    rules = AuthRules(
        access.forward_header.lower(),
        access.forward_value or NO_SECRET,
        access.trusted_proxies,
        access.is_dev_open,
    )
    sessions = Sessions(clock, os.urandom)
    return Auth(rules, token_lookup=lookup, sessions=sessions, failures=Failures(clock))


def site_of(
    routes: tuple[Route, ...],
    engine: Engine,
    loaded: Loaded,
    auth: Auth,
    *,
    checks: tuple[Check, ...] = (),
    on_done: OnDone | None = None,
) -> Site:
    """Return the site over these rows, those of logging in and the pages; other hosts are refused first."""
    own_dist = loaded.settings.http.web_dist or engine.state_dir / "web" / "dist"
    files = static.read_files((own_dist,))
    has_files = static.INDEX in files
    health = next((row.handler for row in routes if row.path == "/health"), None)
    rows = (
        *routes,
        *login.routes(auth),
        *PlainPages(engine, auth, health=health, has_files=has_files).rows(),
        *(static.routes(files, (*PAGES, LOGIN)) if has_files else ()),
    )
    described = openapi_route(lambda: router.routes)
    router = Router((*rows, described))
    heard = {} if on_done is None else {"on_done": on_done}
    # Where nobody has to log in, a name of another site that leads here (DNS rebinding) would be enough.
    unnamed = ("localhost",) if loaded.settings.access.is_dev_open else ()
    first = allow_hosts(loaded.settings.http.allowed_hosts or unnamed)
    return Site(
        router, auth, engine.clock, random_bytes=os.urandom, checks=(first, *checks), **heard
    )
