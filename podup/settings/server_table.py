"""Settings of the server: where it listens, who may do what, where state lives and how long it is kept."""

from pathlib import Path

from podup.core.secrets import Secret
from podup.records import dataclass
from podup.settings.parsers import (
    Address,
    Network,
    address,
    flag,
    header_name,
    networks,
    path,
    seconds,
    secret,
    secret_list,
    text,
    url,
    whole,
    words,
)
from podup.settings.row import setting


@dataclass(frozen=True, slots=True)
class Http:
    """Where it listens."""

    address: Address = setting(
        "PODUP_HTTP_ADDR",
        "Address the server listens on, HOST:PORT. With a socket from systemd that one is used",
        address,
        default=Address("0.0.0.0", 25111),
    )
    public_url: str = setting(
        "PODUP_PUBLIC_URL",
        "URL others reach this server at; shown where webhook URLs are copied",
        url,
        default="",
        shown="taken from each request",
    )
    allowed_hosts: tuple[str, ...] = setting(
        "PODUP_ALLOWED_HOSTS",
        "Host names that are served, against DNS rebinding; addresses and localhost always are",
        words,
        default=(),
        shown="every name; none with PODUP_DEV_OPEN_ADMIN",
    )
    web_dist: Path | None = setting(
        "PODUP_WEB_DIST",
        "Directory with a web page of your own in place of the built-in one",
        path,
        default=None,
        older=("WEBHOOK_WEB_DIST",),
        shown="PODUP_STATE_DIR/web/dist when it exists",
    )


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what."""

    webhook_secrets: tuple[Secret, ...] = setting(
        "PODUP_GH_WEBHOOK_SECRET",
        "Secret GitHub signs webhooks with; several, separated by spaces, while changing it. "
        "Without one webhooks are refused with 503",
        secret_list,
        default=(),
        older=("GITHUB_WEBHOOK_SECRET",),
    )
    token: Secret | None = setting(
        "PODUP_TOKEN",
        "Token for /auto-update and, as Authorization: Bearer, for the API",
        secret,
        default=None,
        older=("WEBHOOK_TOKEN",),
    )
    manual_token: Secret | None = setting(
        "PODUP_MANUAL_TOKEN",
        "Token for /api/manual/*, where it may differ from PODUP_TOKEN",
        secret,
        default=None,
        older=("WEBHOOK_MANUAL_TOKEN",),
        shown="PODUP_TOKEN",
    )
    forward_header: str = setting(
        "PODUP_FWD_AUTH_HEADER",
        "Header in which the proxy in front names who is logged in (ForwardAuth)",
        header_name,
        default="",
    )
    forward_value: Secret | None = setting(
        "PODUP_FWD_AUTH_ADMIN_VALUE",
        "Value of that header that means: an administrator",
        secret,
        default=None,
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "PODUP_TRUSTED_PROXIES",
        "Addresses and networks of the proxies whose ForwardAuth and X-Forwarded headers count",
        networks,
        default=(),
        shown="none",
    )
    is_dev_open: bool = setting(
        "PODUP_DEV_OPEN_ADMIN", "Let everybody do everything; for trying things out only", flag, default=False
    )


@dataclass(frozen=True, slots=True)
class State:
    """Files and database."""

    config: Path | None = setting(
        "PODUP_CONFIG",
        "File (TOML) for units, windows, hooks, stacks; the environment wins over it",
        path,
        default=None,
        shown="~/.config/pod-upgrade-trigger.toml when it exists",
    )
    env_file: Path | None = setting(
        "PODUP_ENV_FILE",
        "Environment file a command reads first, so that it meets the server's settings",
        path,
        default=None,
        shown="~/.config/pod-upgrade-trigger-http.env when it exists",
    )
    directory: Path = setting(
        "PODUP_STATE_DIR",
        "Directory of database, journals, reports and kept versions. One server at a time uses it",
        path,
        default=Path("/"),
        older=("WEBHOOK_STATE_DIR",),
        shown="/srv/pod-upgrade-trigger when it is writable, else $XDG_STATE_HOME/pod-upgrade-trigger",
    )
    database_url: str = setting(
        "PODUP_DB_URL",
        "SQLite database: sqlite:///absolute, sqlite://relative to the state directory, or a path",
        text,
        default="",
        older=("WEBHOOK_DB_URL",),
        shown="PODUP_STATE_DIR/data/pod-upgrade-trigger.db",
    )
    task_retention_s: int = setting(
        "PODUP_TASK_RETENTION_SECS", "Finished tasks are kept this long", seconds(least=60), default=86400
    )
    event_retention_s: int = setting(
        "PODUP_EVENT_RETENTION_SECS", "Events are kept this long", seconds(least=60), default=30 * 86400
    )
    delivery_retention_s: int = setting(
        "PODUP_DELIVERY_RETENTION_SECS",
        "Webhook deliveries are kept this long; never under three days, which duplicates are known for",
        seconds(least=3 * 86400),
        default=7 * 86400,
    )
    database_backups: int = setting(
        "PODUP_DB_BACKUPS_KEEP", "Verified daily database backups that are kept", whole(least=1), default=7
    )

    @property
    def database(self) -> Path:
        """The file `database_url` names; a relative one is under the state directory."""
        name = self.database_url or "data/pod-upgrade-trigger.db"
        return self.directory / name.removeprefix("sqlite:").removeprefix("//").partition("?")[0]


@dataclass(frozen=True, slots=True)
class Limits:
    """How often something may happen."""

    first_count: int = setting(
        "PODUP_LIMIT1_COUNT", "/auto-update: at most so many in the first window", whole(least=1), default=2
    )
    first_window_s: int = setting(
        "PODUP_LIMIT1_WINDOW", "/auto-update: length of the first window", seconds(least=1), default=600
    )
    second_count: int = setting(
        "PODUP_LIMIT2_COUNT", "/auto-update: at most so many in the second window", whole(least=1), default=10
    )
    second_window_s: int = setting(
        "PODUP_LIMIT2_WINDOW", "/auto-update: length of the second window", seconds(least=1), default=18000
    )
    image_count: int = setting(
        "PODUP_IMAGE_LIMIT_COUNT", "Deployments of one image in its window", whole(least=1), default=60
    )
    image_window_s: int = setting(
        "PODUP_IMAGE_LIMIT_WINDOW", "Length of that window", seconds(least=1), default=3600
    )
