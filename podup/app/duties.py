"""The daemon's chores, one row each: what is done again and again beside serving and dispatching."""

from pathlib import Path

from podup.app.building import Built
from podup.clock import Clock
from podup.engine.chores import Duty
from podup.engine.host_state import HostState, look_at_host
from podup.engine.upkeep import back_up_daily, forget_old
from podup.settings.load import Loaded
from podup.store import services
from podup.store.retention import Ages

SERVICES = "services"
OUTBOX = "outbox"
_MINUTE_S = 60.0
_HOUR_S = 3600.0
_DAY_S = 86400.0
_FORGET_FOR_S = 2.0  # the other duties, and the end of the daemon, wait for it
_FORGET_AGAIN_S = 1.0


class HostWatch:
    """Keeps the `latest` look at the host; None before the first."""

    def __init__(self) -> None:
        self.latest: HostState | None = None


def duties_of(loaded: Loaded, built: Built, clock: Clock, watch: HostWatch) -> tuple[Duty, ...]:
    """Return the table."""
    state = loaded.settings.state
    store, catalogue = built.engine.store, built.engine.catalogue

    def see_services() -> None:
        built.machine.podman.graph_root()
        catalogue.find()
        catalogue.look()

    def see_host() -> None:
        watch.latest = look_at_host(
            built.machine.podman,
            built.machine.systemd,
            uid=loaded.environment.uid,
            auto_update_unit=loaded.settings.services.auto_update_unit,
            labelled=_labelled_units(built),
        )

    def forget() -> float | None:
        gone = forget_old(store, state.directory, ages_of(loaded), clock, for_s=_FORGET_FOR_S)
        return None if gone.is_all else _FORGET_AGAIN_S

    def back_up() -> None:
        back_up_daily(state.database, _backups(loaded), clock, keep=state.database_backups)

    return (
        Duty(SERVICES, 5 * _MINUTE_S, see_services),
        Duty("host", 5 * _MINUTE_S, see_host),
        Duty(OUTBOX, 5 * _MINUTE_S, built.outbox.turn),
        Duty("updates-available", _HOUR_S, catalogue.refresh, first_s=_MINUTE_S, kept=True),
        Duty("retention", _HOUR_S, forget, first_s=2 * _MINUTE_S, kept=True),
        Duty("daily-backup", _DAY_S, back_up, first_s=3 * _MINUTE_S, kept=True),
    )


def _labelled_units(built: Built) -> tuple[str, ...]:
    """Return the managed units that ask for podman's own auto-update."""
    with built.engine.store.read() as cx:
        known = services.all_known(cx)
    return tuple(one.unit for one in known if one.details.get("auto_update") in ("registry", "local"))


def ages_of(loaded: Loaded) -> Ages:
    """Return how long what is kept; hits of a rate window at least as long as the longest window."""
    state, limits = loaded.settings.state, loaded.settings.limits
    longest_s = max(limits.first_window_s, limits.second_window_s, limits.image_window_s)
    return Ages(
        tasks_s=float(state.task_retention_s),
        hits_s=max(_DAY_S, float(longest_s)),
        events_s=float(state.event_retention_s),
        deliveries_s=float(state.delivery_retention_s),
    )


def _backups(loaded: Loaded) -> Path:
    return loaded.settings.state.directory / "backups"
