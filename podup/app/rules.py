"""What the settings say about units, in the words of the engine."""

from podup.clock import Clock
from podup.core.windows import is_open, next_opening
from podup.engine.catalogue import UnitSettings
from podup.engine.policy import Rules
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
