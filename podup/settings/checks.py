"""Rules that concern several settings at once."""

from podup.core.cron import parse_cron
from podup.settings.table import Settings


def broken_rules(settings: Settings) -> list[tuple[str, str]]:
    """Return (message, hint) for each rule the settings break; one is enough not to start."""
    access, broken = settings.access, []
    header, value, proxies = (
        bool(access.forward_header),
        bool(access.forward_value),
        bool(access.trusted_proxies),
    )
    if header != value:
        missing = "PODUP_FWD_AUTH_ADMIN_VALUE" if header else "PODUP_FWD_AUTH_HEADER"
        broken.append((f"ForwardAuth is half configured: {missing} is missing", "set both, or neither"))
    elif header and not proxies:
        says = "ForwardAuth is half configured: PODUP_TRUSTED_PROXIES is missing"
        broken.append((says, "name the addresses of the proxy, or anybody could send the header"))
    url = settings.state.database_url
    if (":" in url and not url.startswith("sqlite:")) or url.endswith((":memory:", "/")):
        says = f"PODUP_DB_URL: {url.partition(':')[0]!r} is not a file SQLite can keep"
        broken.append((says, "want sqlite:///absolute/path, sqlite://relative or a path"))
    return broken


def warnings_about(settings: Settings) -> list[str]:
    """Return a sentence for each thing that works but is probably not meant."""
    found = []
    for name, text in (
        ("PODUP_SELF_UPDATE_CRON", settings.updates.cron),
        ("PODUP_SCHEDULER_CRON", settings.scheduler.cron),
    ):
        try:
            if text:
                parse_cron(text)
        except ValueError as error:
            found.append(f"{name}: {text!r} cannot be read and is off: {error}")
    if settings.updates.cron and not settings.updates.repo and not settings.updates.command:
        found.append("PODUP_SELF_UPDATE_CRON is set, and PODUP_RELEASE_REPO does not say where releases are")
    if settings.access.is_dev_open:
        found.append("PODUP_DEV_OPEN_ADMIN is on: everybody who reaches this server is an administrator")
    return found
