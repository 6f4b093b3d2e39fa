"""The services of this machine as the database knows them, and what a task on one of them is made of."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from podup.clock import Clock
from podup.core.digests import has_beginning
from podup.core.images import parse_ref, whole_name
from podup.core.versions import is_version, newest_above
from podup.engine.intake import Intent
from podup.engine.policy import well_before
from podup.engine.world import World
from podup.errors import Refused
from podup.host.discovery import Discovered
from podup.recipes.actions import PULL_TIMEOUT_S
from podup.recipes.auto_update import AutoUpdateParams
from podup.recipes.facts import (
    ContainerOf,
    ContainerState,
    FoundService,
    ImagesOf,
    LocalImage,
    RemoteImage,
    RemoteImageOf,
    RemoteTagsOf,
    UnitState,
    UnitStateOf,
)
from podup.recipes.refusals import no_image
from podup.recipes.restart import RestartParams
from podup.recipes.service_goal import ServiceParams
from podup.recipes.verbs import Timing, Unknown
from podup.records import dataclass, replace
from podup.store import services
from podup.store.db import Connection, Store
from podup.store.services import Service


@dataclass(frozen=True, slots=True)
class UnitSettings:
    """How one unit is deployed and judged."""

    timing: Timing
    keep_images: int
    journal_lines: int
    probe: str = ""
    before_hook: tuple[str, ...] = ()
    after_hook: tuple[str, ...] = ()
    pull_timeout_s: float = PULL_TIMEOUT_S


class Catalogue:
    """Knows the services: `discover` looks for them, `world` at one, `settings_of` tells what is configured.

    `auto_update` says how podman's own updater is run, whose unit is never deployed like a service.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        discover: Callable[[], Discovered],
        world: World,
        settings_of: Callable[[str], UnitSettings],
        auto_update: AutoUpdateParams,
    ) -> None:
        self._store = store
        self._clock = clock
        self._discover = discover
        self._world = world
        self._settings_of = settings_of
        self.auto_update_unit = auto_update.unit
        self._auto_update = auto_update

    def find(self) -> None:
        """Look for services on this machine and store what was found; registries are not asked.

        A source that cannot be asked for a moment, podman or systemd, takes nothing away of what is known.
        """
        seen, now_s = self._discover(), self._clock.now()
        with self._store.write() as cx:
            known = {service.unit: service for service in services.all_known(cx)}
            rows = [
                _as_row(one, known.get(one.unit), now_s, is_whole=not seen.unseen)
                for one in seen.services
                if one.unit != self.auto_update_unit
            ]
            services.discovered(cx, rows, unseen=seen.unseen)

    def refresh(self) -> None:
        """`find`, then look at each service and its registry and store how it stands."""
        self.find()
        with self._store.read() as cx:
            known = services.all_known(cx)
        names = self._names(known)
        self._keep({service.unit: self._look(service, names) for service in known})

    def look(self) -> None:
        """See how each known service runs; registries are not asked, what they said last still counts."""
        with self._store.read() as cx:
            known = services.all_known(cx)
        names = self._names(known)
        self._keep({service.unit: self._glance(service, names) for service in known})

    def _keep(self, looks: Mapping[str, Mapping[str, Any]]) -> None:
        with self._store.write() as cx:
            for unit, look in looks.items():
                services.change(cx, unit, **look)

    def deploy(
        self, service: Service, *, image: str = "", force: bool = False, dry_run: bool = False
    ) -> Intent:
        """Return the intent to deploy a service. Raises Refused without an image, Invalid for a bad one."""
        reason = self.why_not(service.unit, service)
        if reason:
            _, hint = no_image(str(service.details.get("kind", "")))
            if service.unit == self.auto_update_unit:
                hint = "`trigger-units` runs it and watches it to its end"
            raise Refused("not-deployable", f"{service.unit} cannot be deployed: {reason}", hint)
        if image and parse_ref(image).name != parse_ref(service.image).name:
            why = f"{service.unit} runs {parse_ref(service.image).name}, not {parse_ref(image).name}"
            raise Refused("image-mismatch", why, "change Image= in the unit's file for that")
        params = self._params(service.unit, image=image, force=force)
        return Intent("deploy", params, service.unit, image or service.image, dry_run)

    def rollback(self, cx: Connection, service: Service, *, to: str = "", dry_run: bool = False) -> Intent:
        """Return the intent to go back to digest `to`, else to what ran well before. Raises Refused.

        The beginning of one digest that ran well before is enough.
        """
        before = well_before(cx, service.unit)
        named = [digest for digest in before if has_beginning(digest, to)]
        digest = named[0] if named and (not to or len(named) == 1) else to
        if not digest:
            hint = "name a digest with --to; `services` shows what runs"
            raise Refused("nothing-before", f"nothing is known to have run before in {service.unit}", hint)
        parse_ref(service.image).with_digest(digest)
        params = self._params(service.unit, to=digest)
        return Intent("rollback", params, service.unit, service.image, dry_run)

    def restart(self, unit: str, *, dry_run: bool = False) -> Intent:
        """Return the intent to restart a unit; the auto-update unit is run to its end instead."""
        if unit == self.auto_update_unit:
            return self.auto_update(dry_run=dry_run)
        settings = self._settings_of(unit)
        params = RestartParams(unit, settings.timing, settings.journal_lines)
        return Intent("restart", params, unit, dry_run=dry_run)

    def auto_update(self, *, dry_run: bool = False) -> Intent:
        """Return the intent to run podman's own updater."""
        params = replace(self._auto_update, dry_run=dry_run)
        return Intent("auto-update", params, params.unit, dry_run=dry_run)

    def why_not(self, unit: str, service: Service | None) -> str:
        """Return why a unit cannot be deployed, or an empty string."""
        if unit == self.auto_update_unit:
            return "it is the auto-update unit"
        if service is None:
            return "not managed here"
        return "" if service.image else no_image(str(service.details.get("kind", "")))[0]

    def _names(self, known: Iterable[Service]) -> Mapping[str, LocalImage]:
        """Return what the images of services stand for here, by whole name."""
        repositories = {parse_ref(one.image).name for one in known if whole_name(one.image)}
        found = self._world.observe(ImagesOf(tuple(sorted(repositories)))) if repositories else ()
        return {name: image for image in found for name in image.names} if isinstance(found, tuple) else {}

    def _glance(self, service: Service, names: Mapping[str, LocalImage]) -> dict[str, Any]:
        """See how one service runs; once it runs what the registry had, it is up to date."""
        state = self._world.observe(UnitStateOf(service.unit))
        container = self._world.observe(ContainerOf(service.unit))
        seen = {"health": _health(state, container), "details": _details(service, container, names)}
        if isinstance(container, ContainerState):
            seen["running_digest"] = container.image_digest
            if container.image_digest and container.image_digest == service.remote_digest:
                seen |= {"update_state": "up_to_date", "update_reason": ""}
        return seen

    def _look(self, service: Service, names: Mapping[str, LocalImage]) -> dict[str, Any]:
        """See how one service stands: its container, its unit, and what the registry has."""
        state = self._world.observe(UnitStateOf(service.unit))
        container = self._world.observe(ContainerOf(service.unit))
        remote = self._world.observe(RemoteImageOf(service.image)) if service.image else None
        update, reason = _update_state(service, container, remote)
        newer = self._newer_tag(service) if update == "up_to_date" else ""
        return {
            "running_digest": container.image_digest if isinstance(container, ContainerState) else "",
            "remote_digest": remote.digest if isinstance(remote, RemoteImage) else "",
            "update_state": "newer_tag" if newer else update,
            "update_reason": f"{newer} is there" if newer else reason,
            "newer_tag": newer,
            "health": _health(state, container),
            "details": _details(service, container, names),
            "checked_at": self._clock.now(),
        }

    def _newer_tag(self, service: Service) -> str:
        """Return a newer version's tag where the unit names a version; an unknown list is no news."""
        tag = parse_ref(service.image).tag or ""
        tags = self._world.observe(RemoteTagsOf(service.image)) if is_version(tag.removeprefix("v")) else ()
        return newest_above(tag, tags) if isinstance(tags, tuple) else ""

    def _params(self, unit: str, *, image: str = "", to: str = "", force: bool = False) -> ServiceParams:
        settings = self._settings_of(unit)
        return ServiceParams(
            unit,
            image,
            to,
            force,
            settings.timing,
            settings.keep_images,
            settings.journal_lines,
            settings.probe,
            settings.before_hook,
            settings.after_hook,
            settings.pull_timeout_s,
        )


def _update_state(service: Service, container: object, remote: object) -> tuple[str, str]:
    if not service.image:
        return "unknown", no_image(str(service.details.get("kind", "")))[0]
    if isinstance(remote, Unknown):
        return "unknown", remote.reason
    if not isinstance(remote, RemoteImage) or not isinstance(container, ContainerState):
        return "unknown", "it does not run"
    same = container.image_digest in (remote.digest, remote.index_digest) or (
        bool(remote.image_id) and container.image_id == remote.image_id
    )
    return (
        ("up_to_date", "") if same else ("update_available", "the registry has another image under its tag")
    )


def _details(
    service: Service, container: object, names: Mapping[str, LocalImage]
) -> Mapping[str, Any]:
    """Return the details with what the next start is to run, where that is not what runs."""
    image, runs = names.get(whole_name(service.image)), isinstance(container, ContainerState)
    is_other = runs and image is not None and image.id != getattr(container, "image_id", "")
    return {**service.details, "next_digest": image.digest if image is not None and is_other else ""}


def _health(state: object, container: object) -> str:
    if not isinstance(state, UnitState):
        return "unknown"
    if state.active == "failed" or state.sub == "auto-restart":
        return "failed"
    if not state.is_active:
        return state.active if state.is_changing else "stopped"
    if isinstance(container, ContainerState) and container.health:
        return container.health
    return "running"


def _as_row(one: FoundService, known: Service | None, now_s: float, *, is_whole: bool) -> Service:
    """Return the row of a service; when the look was not whole, an image it did not see is still known."""
    details = {"kind": one.kind, "path": one.path, "auto_update": one.auto_update, "problem": one.problem}
    details["next_digest"] = str(known.details.get("next_digest", "")) if known else ""
    return Service(
        unit=one.unit,
        slug=one.slug,
        source=one.source,
        seen_at=now_s,
        image=one.image if is_whole or known is None else one.image or known.image,
        running_digest=known.running_digest if known else "",
        health=known.health if known else "",
        details=details,
    )
