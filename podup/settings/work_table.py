"""Settings of the work: services, the scheduler, the program's own updates, compose stacks."""

from pathlib import Path

from podup.core.secrets import Secret
from podup.records import dataclass
from podup.settings.parsers import (
    flag,
    one_of,
    path,
    repository,
    seconds,
    secret,
    share,
    text,
    url,
    whole,
    words,
)
from podup.settings.row import setting


@dataclass(frozen=True, slots=True)
class Services:
    """How a service is found, upgraded and judged."""

    manual_units: tuple[str, ...] = setting(
        "PODUP_MANUAL_UNITS",
        "Units to manage besides those that are found, separated by commas; web is web.service",
        words,
        default=(),
    )
    container_dir: Path = setting(
        "PODUP_CONTAINER_DIR",
        "Directory of Quadlet files",
        path,
        default=Path("/"),
        shown="~/.config/containers/systemd, as root /etc/containers/systemd",
    )
    allowed_images: tuple[str, ...] = setting(
        "PODUP_ALLOWED_IMAGES",
        "Images that may be deployed, with * and ? (ghcr.io/acme/*), separated by commas",
        words,
        default=(),
        shown="every image",
    )
    verify_timeout_s: int = setting(
        "PODUP_VERIFY_TIMEOUT_SECS",
        "A new version must come up, and then prove itself, within this time each",
        seconds(least=1),
        default=60,
    )
    verify_settle_s: int = setting(
        "PODUP_VERIFY_SETTLE_SECS", "... and stay healthy this long without a break", seconds(), default=10
    )
    pull_timeout_s: int = setting(
        "PODUP_PULL_TIMEOUT_SECS", "Longest time for pulling one image", seconds(least=1), default=900
    )
    cooldown_s: int = setting(
        "PODUP_COOLDOWN",
        "Wait this long after a digest was first seen before deploying it",
        seconds(),
        default=0,
    )
    keep_images: int = setting(
        "PODUP_KEEP_IMAGES", "Earlier images of each service kept for rolling back", whole(least=1), default=2
    )
    journal_lines: int = setting(
        "PODUP_TASK_DIAGNOSTICS_JOURNAL_LINES",
        "Lines of the journal and of the container's log kept with a failed task",
        whole(most=10000),
        default=100,
    )
    auto_update_unit: str = setting(
        "PODUP_MANUAL_AUTO_UPDATE_UNIT",
        "Unit that runs `podman auto-update`",
        text,
        default="podman-auto-update.service",
    )
    auto_update_log_dir: Path | None = setting(
        "PODUP_AUTO_UPDATE_LOG_DIR",
        "Directory where a wrapper of that unit writes JSONL files",
        path,
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Scheduler:
    """When to look without being asked."""

    is_in_server: bool = setting(
        "PODUP_SCHEDULER_ENABLED",
        "Run the scheduler inside http-server; else only `scheduler` does, as a process of its own",
        flag,
        default=False,
    )
    mode: str = setting(
        "PODUP_SCHEDULER_MODE",
        "What a tick does: services deploys and proves what is new, auto-update starts that unit of Podman's",
        one_of("auto-update", "services"),
        default="auto-update",
    )
    interval_s: int = setting(
        "PODUP_SCHEDULER_INTERVAL_SECS", "Time between ticks", seconds(least=1), default=900
    )
    cron: str = setting(
        "PODUP_SCHEDULER_CRON",
        "Cron expression in local time, in place of the interval (0 3 * * sun)",
        text,
        default="",
    )
    jitter_s: int = setting(
        "PODUP_SCHEDULER_JITTER_SECS",
        "Each tick is late by up to this time, so hosts do not act at once",
        seconds(),
        default=0,
    )


@dataclass(frozen=True, slots=True)
class Updates:
    """How the program updates itself."""

    repo: str = setting(
        "PODUP_RELEASE_REPO",
        "Repository releases come from, OWNER/NAME; without one no update is looked for",
        repository,
        default="",
        shown="the one this program was released in; a build by hand has none",
    )
    channel: str = setting(
        "PODUP_RELEASE_CHANNEL", "beta takes pre-releases too", one_of("stable", "beta"), default="stable"
    )
    tag: str = setting(
        "PODUP_RELEASE_TAG",
        "Exactly this release (v1.2.3)",
        text,
        default="",
        shown="the newest of the channel",
    )
    api_url: str = setting(
        "PODUP_RELEASE_API_URL", "Where the list of releases is", url, default="https://api.github.com"
    )
    base_url: str = setting(
        "PODUP_RELEASE_BASE_URL", "Where release files are", url, default="https://github.com"
    )
    token: Secret | None = setting(
        "PODUP_RELEASE_TOKEN", "Token for private repositories and a higher rate limit", secret, default=None
    )
    allowed_signers: Path | None = setting(
        "PODUP_RELEASE_ALLOWED_SIGNERS",
        "Keys a release must be signed with (ssh-keygen allowed_signers); unsigned ones are refused then",
        path,
        default=None,
    )
    target: Path = setting(
        "TARGET_BIN",
        "The installed program, which is what gets replaced",
        path,
        default=Path("/"),
        shown="~/.local/bin/pod-upgrade-trigger",
    )
    command: str = setting(
        "PODUP_SELF_UPDATE_COMMAND",
        "Command the built-in thread runs, such as scripts/self-update-runner.sh",
        text,
        default="",
        shown="the built-in chain",
    )
    cron: str = setting(
        "PODUP_SELF_UPDATE_CRON",
        "When the built-in thread looks for a new version (*/30 * * * *)",
        text,
        default="",
        shown="never",
    )
    is_dry_run: bool = setting(
        "PODUP_SELF_UPDATE_DRY_RUN", "Only download and check, replace nothing", flag, default=False
    )
    report_dir: Path = setting(
        "PODUP_SELF_UPDATE_REPORT_DIR",
        "Directory of the reports each run leaves",
        path,
        default=Path("/"),
        shown="PODUP_STATE_DIR/self-update-reports",
    )
    canary: float = setting(
        "PODUP_UPDATE_CANARY_PROBABILITY",
        "Share of machines that take a new version by themselves, 0..1 or percent",
        share,
        default=1.0,
        older=("UPDATE_CANARY_PROBABILITY",),
    )
    trial_s: int = setting(
        "PODUP_UPDATE_TRIAL_SECS",
        "The new version must prove itself within this time; its dry start has as long, at most 60 s",
        seconds(least=1),
        default=120,
    )
    settle_s: int = setting(
        "PODUP_UPDATE_SETTLE_SECS", "... and answer steadily for this long", seconds(), default=10
    )
    keep_versions: int = setting(
        "PODUP_UPDATE_KEEP_VERSIONS",
        "Versions of the program kept for rolling back",
        whole(least=2),
        default=3,
    )


@dataclass(frozen=True, slots=True)
class Stacks:
    """Where stacks live."""

    directory: Path = setting(
        "PODUP_STACKS_DIR",
        "Directory the stacks run in, one directory each",
        path,
        default=Path("/srv/stacks"),
    )
    backups_dir: Path = setting(
        "PODUP_BACKUPS_DIR", "Directory of their backups", path, default=Path("/srv/backups")
    )
    releases_dir: Path = setting(
        "PODUP_RELEASES_DIR",
        "Directory in which verified/ holds what staging proved",
        path,
        default=Path("/srv/releases"),
    )
    history_file: Path = setting(
        "PODUP_DEPLOY_HISTORY",
        "Log with one line a deployment",
        path,
        default=Path("/srv/deploy-history.log"),
    )
