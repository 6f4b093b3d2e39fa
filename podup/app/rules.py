"""What the settings say about units, in the words of the engine."""

from podup.clock import Clock
from podup.core.cron import Cron, parse_cron
from podup.core.windows import is_open, next_opening
from podup.engine.catalogue import UnitSettings
from podup.engine.policy import Rules
from podup.engine.scheduler import Timetable
from podup.engine.ticks import TickRules
from podup.recipes.auto_update import AutoUpdateParams
from podup.recipes.verbs import Timing
from podup.settings.load import Loaded


def unit_settings(loaded: Loaded, unit: str) -> UnitSettings:
    """Return how a unit is deployed and judged: its own table of the file, else the settings."""
    services, entry, hooks = (
        loaded.settings.services,
        loaded.config.units.get(unit),
        loaded.config.hooks_for(unit),
    )
    deadline_s, settle_s, keep = services.verify_timeout_s, services.verify_settle_s, services.keep_images
    if entry is not None:
        deadline_s = entry.verify_timeout_s if entry.verify_timeout_s is not None else deadline_s
        settle_s = entry.verify_settle_s if entry.verify_settle_s is not None else settle_s
        keep = entry.keep_images if entry.keep_images is not None else keep
    return UnitSettings(
        Timing(float(deadline_s), float(settle_s)),
        keep,
        services.journal_lines,
        entry.probe if entry else "",
        hooks.before,
        hooks.after,
        float(services.pull_timeout_s),
    )


def engine_rules(loaded: Loaded, clock: Clock) -> Rules:
    """Return the rules that come from the settings and the file."""

    def cooldown_s(unit: str) -> float:
        entry = loaded.config.units.get(unit)
        own = entry.cooldown_s if entry is not None else None
        return float(loaded.settings.services.cooldown_s if own is None else own)

    def opens_s(unit: str, now_s: float) -> float:
        windows = loaded.config.windows_for(unit)
        if not windows or is_open(windows, clock.local(now_s)):
            return 0.0
        return float(next_opening(windows, now_s, clock.local) or 0)

    return Rules(loaded.settings.services.allowed_images, cooldown_s, opens_s)


def tick_rules(loaded: Loaded, clock: Clock) -> TickRules:
    """Return what the scheduler does with a tick."""
    rules = engine_rules(loaded, clock)
    return TickRules(loaded.settings.scheduler.mode, rules.allowed, rules.opens_s)


def timetable_of(loaded: Loaded) -> Timetable:
    """Return when ticks come. An expression that cannot be read was warned of; the scheduler is then off."""
    wanted = loaded.settings.scheduler
    return Timetable(float(wanted.interval_s), cron_of(wanted.cron), float(wanted.jitter_s))


def cron_of(text: str) -> Cron | None:
    """Return the expression, None for none and for one that cannot be read."""
    try:
        return parse_cron(text) if text else None
    except ValueError:
        return None


def is_scheduling(loaded: Loaded) -> bool:
    """Return whether the daemon runs the scheduler itself: it was switched on and knows when."""
    wanted = loaded.settings.scheduler
    return wanted.is_in_server and (not wanted.cron or cron_of(wanted.cron) is not None)


def auto_update_params(loaded: Loaded) -> AutoUpdateParams:
    """Return how podman's own updater is run and watched."""
    services = loaded.settings.services
    return AutoUpdateParams(
        services.auto_update_unit,
        journal_lines=services.journal_lines,
        log_dir=str(services.auto_update_log_dir or ""),
    )
