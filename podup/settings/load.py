"""From environment, files and defaults to one `Settings`, with the origin of every value.

Order: environment, environment file, TOML file, default (`podup.settings.sources`). Refused, all at once and
before anything runs: a value that is not possible, half a ForwardAuth configuration, a database that is not
SQLite. Reported as warnings: older names, PODUP_ names nobody knows, a cron expression that cannot be read,
and a server open to everybody.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podup.core.nearest import nearest
from podup.core.secrets import Secret
from podup.errors import Invalid
from podup.records import dataclass, field, replace
from podup.settings import env_file
from podup.settings.checks import broken_rules, warnings_about
from podup.settings.config_file import Config, parse_config
from podup.settings.environment import Environment
from podup.settings.row import Row, written
from podup.settings.sources import Found, Layer, Origin, read_file, read_secret
from podup.settings.table import BY_ENV, GROUPS, OLDER, ROWS, Settings
from podup.version import REPOSITORY

SHARED_STATE = Path("/srv/pod-upgrade-trigger")
ENV_FILE = ".config/pod-upgrade-trigger-http.env"
CONFIG_FILE = ".config/pod-upgrade-trigger.toml"
# Names that are ours but no settings: what hooks and probes are told.
FOR_HOOKS = frozenset(f"PODUP_{name}" for name in ("UNIT", "IMAGE", "DIGEST"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, where each comes from (by environment name), and what was odd about them.

    `texts` are the values as given, secrets included: with `config_text` it is what another process needs to
    load the same settings. It belongs in a file only its owner reads, and nowhere else.
    """

    settings: Settings
    config: Config
    environment: Environment
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...]
    texts: Mapping[str, str] = field(repr=False)
    config_text: str = field(repr=False, default="")

    def value(self, row: Row) -> Any:
        """Return the value of a row."""
        group, name = row.path
        return getattr(getattr(self.settings, group), name)

    def secrets(self) -> tuple[Secret, ...]:
        """Return every secret there is, for redaction."""
        found: list[Secret] = []
        for row in ROWS:
            value = self.value(row) if row.is_secret else None
            found += [value] if isinstance(value, Secret) else value or ()
        for unit in self.config.units.values():
            found += unit.webhook_secrets
        return tuple(found)


def load(
    environment: Environment, *, config_text: str | None = None, shared_state: Path = SHARED_STATE
) -> Loaded:
    """Return the settings. Raises Invalid that names each variable that is wrong, and why.

    `config_text` stands for the TOML file when it was read before; `shared_state` is the state directory that
    is taken when it exists and is writable and nobody named another.
    """
    file_layer, complaints = _env_file_layer(environment)
    layers = (
        Layer("environment", environment.variables, credentials=environment.credentials_dir),
        file_layer,
    )
    found = {row.env: hit for row in ROWS if (hit := _first(layers, row)) is not None}
    if config_text is None:
        config_text = _config_text(environment, found)
    path = found["PODUP_CONFIG"].text if "PODUP_CONFIG" in found else CONFIG_FILE
    config = parse_config(config_text, name=path, read_secret=lambda name: read_secret(name, what=path))
    found = {**_from_config(config, path), **found}
    values = _parsed(found, environment)
    settings = _settings(values, environment, shared_state)
    if problems := broken_rules(settings):
        raise Invalid("settings-invalid", "; ".join(message for message, _ in problems), problems[0][1])
    odd = [*complaints, *_about_names(layers), *warnings_about(settings)]
    texts = {name: hit.text for name, hit in found.items()} | {
        "PODUP_STATE_DIR": str(settings.state.directory)
    }
    origins = {row.env: found[row.env].origin if row.env in found else Origin("default") for row in ROWS}
    return Loaded(settings, config, environment, origins, tuple(odd), texts, config_text)


def _first(layers: tuple[Layer, ...], row: Row) -> Found | None:
    return next((hit for layer in layers if (hit := layer.find(row)) is not None), None)


def _env_file_layer(environment: Environment) -> tuple[Layer, list[str]]:
    given = environment.get("PODUP_ENV_FILE")
    path = _expanded(Path(given), environment) if given else environment.home / ENV_FILE
    if not given and not path.is_file():
        return Layer("env-file", {}), []
    variables, complaints = env_file.parse(read_file(path, what="PODUP_ENV_FILE"))
    return Layer("env-file", variables, str(path)), [f"{path}: {complaint}" for complaint in complaints]


def _config_text(environment: Environment, found: Mapping[str, Found]) -> str:
    if "PODUP_CONFIG" in found:
        return read_file(_expanded(Path(found["PODUP_CONFIG"].text), environment), what="PODUP_CONFIG")
    path = environment.home / CONFIG_FILE
    return read_file(path, what=str(path)) if path.is_file() else ""


def _from_config(config: Config, path: str) -> dict[str, Found]:
    found = {}
    for key, text in config.settings.items():
        name = key.upper() if key.upper() in BY_ENV else f"PODUP_{key.upper()}"
        if name not in BY_ENV:
            near = nearest(name, BY_ENV).removeprefix("PODUP_").lower()
            hint = f"did you mean {near!r}?" if near else ""
            raise Invalid("config-invalid", f"{path}: there is no setting {key!r}", hint)
        found[name] = Found(text, Origin("config", key, path))
    return found


def _parsed(found: Mapping[str, Found], environment: Environment) -> dict[str, Any]:
    """Return environment name -> value; raises Invalid with all that is not possible."""
    values: dict[str, Any] = {}
    wrong = []
    for name, hit in found.items():
        row = BY_ENV[name]
        try:
            value = row.parse(hit.text.strip())
        except ValueError as error:
            shown = "its value" if row.is_secret else repr(hit.text)
            where = f" in {hit.origin.path}" if hit.origin.kind == "env-file" else ""
            wrong.append(f"{hit.origin.name}{where}: {shown} is not possible: {error}")
            continue
        values[name] = _expanded(value, environment) if isinstance(value, Path) else value
    if wrong:
        raise Invalid("settings-invalid", "; ".join(wrong), "`settings --env-example` explains them")
    return values


def _settings(values: Mapping[str, Any], environment: Environment, shared_state: Path) -> Settings:
    groups = {}
    for name, (_title, group) in GROUPS.items():
        mine = {row.path[1]: values[row.env] for row in ROWS if row.path[0] == name and row.env in values}
        groups[name] = group(**mine)
    settings = Settings(**groups)
    state, services, updates, access = settings.state, settings.services, settings.updates, settings.access
    if "PODUP_STATE_DIR" not in values:
        state = replace(state, directory=_state_directory(environment, shared_state))
    if "PODUP_CONTAINER_DIR" not in values:
        own = environment.config_home / "containers/systemd"
        services = replace(
            services, container_dir=Path("/etc/containers/systemd") if environment.is_root else own
        )
    if "TARGET_BIN" not in values:
        updates = replace(updates, target=environment.home / ".local/bin/pod-upgrade-trigger")
    if "PODUP_RELEASE_REPO" not in values:
        updates = replace(updates, repo=REPOSITORY)
    if "PODUP_SELF_UPDATE_REPORT_DIR" not in values:
        updates = replace(updates, report_dir=state.directory / "self-update-reports")
    if access.manual_token is None:
        access = replace(access, manual_token=access.token)
    return replace(settings, state=state, services=services, updates=updates, access=access)


def _state_directory(environment: Environment, shared: Path) -> Path:
    if shared.is_dir() and os.access(shared, os.W_OK | os.X_OK):
        return shared
    return environment.state_home / "pod-upgrade-trigger"


def _expanded(path: Path, environment: Environment) -> Path:
    return environment.home.joinpath(*path.parts[1:]) if path.parts[:1] == ("~",) else path


def _about_names(layers: tuple[Layer, ...]) -> list[str]:
    """Return one warning for all older names, and one for each name nobody knows."""
    used = sorted(
        {name for layer in layers for name in layer.variables if name in OLDER and layer.variables[name]}
    )
    pairs = ", ".join(f"{name} is now {OLDER[name].env}" for name in used)
    warnings = [f"older names of settings are in use and still work: {pairs}"] if used else []
    known = {*BY_ENV, *(f"{row.env}_FILE" for row in ROWS if row.is_secret), *FOR_HOOKS}
    for layer in layers:
        for name in sorted(layer.variables):
            if name.startswith("PODUP_") and name not in known:
                near = nearest(name, BY_ENV)
                hint = f"; did you mean {near}?" if near else ""
                warnings.append(f"{name} ({layer.path or layer.kind}) is no setting{hint}")
    return warnings


def shown_value(loaded: Loaded, row: Row) -> str:
    """Return the value in use as text; a secret only as `set` or nothing."""
    value = loaded.value(row)
    return ("set" if value else "") if row.is_secret else written(value)
