"""What is made from the table of settings: the environment file, the reference, the rows people are shown."""

from typing import Any

from podup.settings.env_file import quoted
from podup.settings.load import Loaded, shown_value
from podup.settings.row import Row
from podup.settings.table import ROWS

_WIDTH = 100
_FILE_HEAD = """\
# Environment of pod-upgrade-trigger. Copy to ~/.config/pod-upgrade-trigger-http.env (mode 0600), take the
# hash from the lines to change and restart pod-upgrade-trigger-http.service. Commands in a shell read it too.
# Every line here shows the default. A secret may stand in a file instead: NAME_FILE=/path.
"""
_DOCS_HEAD = """\
# Settings

Each setting is an environment variable. First found wins: the environment of the process, then the
environment file (`~/.config/pod-upgrade-trigger-http.env`, which a command in a shell reads so that it meets
the server's settings; `PODUP_ENV_FILE` names another), then `[settings]` in the TOML file `PODUP_CONFIG`
(`http_addr` is `PODUP_HTTP_ADDR`), then the default. `pod-upgrade-trigger settings` shows each value and
where it comes from.

Times are seconds, or have a unit: `90s`, `15m`, `2h`, `3d`. Truth is `1 true yes on`. Lists are separated by
commas or spaces. An empty variable is an absent one. A secret may stand in a file (`NAME_FILE=/path`) or be a
systemd credential of its name. Older names work with a warning; a `PODUP_` name nobody knows is reported with
the nearest known one.
"""

CONFIG_EXAMPLE = """\
[settings]                       # any setting: its name without PODUP_, in small letters
scheduler_mode = "services"

[[windows]]                      # when work may start, in local time; `units` makes it theirs alone
open = "sat,sun 02:00-04:00"     # or `daily 03:00-05:00`, `mon-fri 22:00-04:00`

[[windows]]
open = "daily 01:00-05:00"
units = ["web"]

[hooks]                          # around every deployment; argument lists, no shell
before = ["/usr/local/bin/check", "--fast"]
after = ["/usr/local/bin/tell"]

[units.web]                      # all of these are optional; a unit named here is managed
image = "ghcr.io/acme/web:latest"
webhook_secret = ["new one", "old one"]       # while it is changed; in place of PODUP_GH_WEBHOOK_SECRET
webhook_secret_file = "/run/secrets/web"
probe = "http://127.0.0.1:8080/health"        # or tcp://host:port, command:/path arguments
verify_timeout = "2m"
verify_settle = "20s"
cooldown = "1h"
keep_images = 3
windows = ["daily 03:00-05:00"]

[units.web.hooks]                # in place of [hooks]
before = []
"""
_CONFIG_DOCS = f"""\
## The file

`PODUP_CONFIG` holds what does not fit into a variable. A name it does not know is refused with the nearest
known one, so that a typo switches no safeguard off; `pod-upgrade-trigger settings` tries it.

```toml
{CONFIG_EXAMPLE}```

- **Windows** and the cool-down hold what webhooks and the scheduler ask for, visibly, until it may start; who
  asks by hand is not held.
- **Hooks** get `PODUP_UNIT`, `PODUP_IMAGE` and `PODUP_DIGEST` in their environment and no other setting. When
  the one before fails, nothing is changed; exit code 75 puts the deployment off for a while.
- **Stacks** are `[stacks.NAME]`, see `docs/stacks.md`.
"""


def environment_example() -> str:
    """Return the environment file that explains every setting and changes none."""
    lines = [_FILE_HEAD]
    group = ""
    for row in ROWS:
        if row.env in ("PODUP_ENV_FILE",):
            continue  # names this very file
        if row.group != group:
            group = row.group
            lines += [f"## {group}", ""]
        lines += [f"# {line}" for line in _wrapped(f"{row.says}.", _WIDTH)]
        default = "" if row.shown or row.default is None else quoted(row.default_text)
        if row.shown:
            lines.append(f"# Default: {row.shown}.")
        lines += [f"#{row.env}={default}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def reference() -> str:
    """Return docs/settings.md."""
    lines = [_DOCS_HEAD]
    group = ""
    for row in ROWS:
        if row.group != group:
            group = row.group
            lines += [f"## {group}", "", "| Setting | Meaning | Default |", "|---|---|---|"]
        lines.append(f"| `{row.env}` | {_cell(_meaning(row))} | {_cell(_default_cell(row))} |")
        if row is ROWS[-1] or _next(row).group != group:
            lines.append("")
    return "\n".join([*lines, _CONFIG_DOCS]).rstrip("\n") + "\n"


def value_rows(loaded: Loaded) -> list[dict[str, Any]]:
    """Return one JSON object a setting: name, meaning, value, default, source; secrets as set or not."""
    return [
        {
            "name": row.env,
            "group": row.group,
            "says": row.says,
            "value": shown_value(loaded, row),
            "default": row.default_text,
            "source": loaded.origins[row.env].kind,
            "origin": str(loaded.origins[row.env]),
            "secret": row.is_secret,
            "older_names": list(row.older),
        }
        for row in ROWS
    ]


def _next(row: Row) -> Row:
    return ROWS[ROWS.index(row) + 1]


def _meaning(row: Row) -> str:
    notes = [f"Older name: {', '.join(f'`{name}`' for name in row.older)}"] if row.older else []
    notes += [f"Secret; `{row.env}_FILE` names a file"] if row.is_secret else []
    return ". ".join([row.says, *notes]) + "."


def _default_cell(row: Row) -> str:
    if row.shown:
        return row.shown
    return f"`{row.default_text}`" if row.default_text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
