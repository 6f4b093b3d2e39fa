"""The optional TOML file: what does not fit into environment variables; `docs/settings.md` shows one.

`[stacks.NAME]` is handed to its owner as it stands. Unknown names are refused with the nearest known one: a
typo must not switch a safeguard off. So is `[notifications.NAME]`: nobody is to wait for what nothing sends.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from podup.core.nearest import nearest
from podup.core.secrets import Secret
from podup.core.units import unit_name
from podup.core.windows import Window, parse_window
from podup.errors import Invalid
from podup.late import late
from podup.records import dataclass, field
from podup.settings.parsers import seconds

if TYPE_CHECKING:
    import tomllib
else:
    tomllib = late("tomllib")

_TABLES = ("settings", "units", "windows", "hooks", "stacks")
_UNIT_KEYS = (
    "image", "webhook_secret", "webhook_secret_file", "probe", "verify_timeout", "verify_settle", "cooldown",
    "keep_images", "hooks", "windows",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hooks:
    """Commands run before and after a deployment: argument lists, empty for none."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """What the file says of one unit. None and empty mean: as for every unit."""

    unit: str
    image: str = ""
    webhook_secrets: tuple[Secret, ...] = ()
    probe: str = ""
    verify_timeout_s: int | None = None
    verify_settle_s: int | None = None
    cooldown_s: int | None = None
    keep_images: int | None = None
    hooks: Hooks | None = None
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. Units named in it are managed. `stacks` are raw tables by name."""

    units: Mapping[str, UnitEntry] = field(default_factory=dict)
    windows: tuple[Window, ...] = ()
    hooks: Hooks = field(default_factory=Hooks)
    stacks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def windows_for(self, unit: str) -> tuple[Window, ...]:
        """Return the windows work on this unit may start in: its own ones, else those for all."""
        entry = self.units.get(unit)
        return entry.windows if entry is not None and entry.windows else self.windows

    def hooks_for(self, unit: str) -> Hooks:
        """Return the hooks around this unit's deployments: its own ones, else those for all."""
        entry = self.units.get(unit)
        return entry.hooks if entry is not None and entry.hooks is not None else self.hooks


def parse_config(text: str, *, name: str, read_secret: Callable[[str], Secret]) -> Config:
    """Return what the file says. `name` is for messages; `read_secret` reads a file that holds a secret.

    Raises Invalid('config-invalid') with the place and what is wanted there.
    """
    try:
        document = tomllib.loads(text) if text else {}  # most have no file
    except tomllib.TOMLDecodeError as error:
        raise Invalid(
            "config-invalid", f"{name} is not TOML: {error}", "https://toml.io shows how it is written"
        ) from error
    try:
        return _config(document, read_secret)
    except _Wrong as wrong:
        raise Invalid("config-invalid", f"{name}: {wrong}", wrong.hint) from wrong
    except ValueError as error:
        raise Invalid("config-invalid", f"{name}: {error}") from error


class _Wrong(ValueError):
    """Something at a place of the file is not what is wanted there."""

    def __init__(self, place: str, says: str, hint: str = "") -> None:
        super().__init__(f"{place} {says}")
        self.hint = hint


def _config(document: dict[str, Any], read_secret: Callable[[str], Secret]) -> Config:
    if "notifications" in document:
        hint = "take the table out of the file; the log has every notice"
        raise _Wrong("notifications", "is nothing this version reads: its notices go to its log alone", hint)
    _known(document, _TABLES, "the file")
    shared, own = _windows(document.get("windows", []))
    units: dict[str, UnitEntry] = {}
    for key, table in _table(document, "units", "the file").items():
        entry = _unit(key, table, own, read_secret)
        units[entry.unit] = entry
    for unit in own.keys() - units.keys():
        units[unit] = UnitEntry(unit, windows=tuple(own[unit]))
    return Config(
        units=units,
        windows=shared,
        hooks=_hooks(_table(document, "hooks", "the file"), "hooks"),
        stacks=_tables(document, "stacks"),
        settings={
            key: _as_text(value, f"settings.{key}") for key, value in _table(document, "settings", "").items()
        },
    )


def _unit(
    key: str, table: Any, own: Mapping[str, list[Window]], read_secret: Callable[[str], Secret]
) -> UnitEntry:
    place = f"units.{key}"
    if not isinstance(table, dict):
        raise _Wrong(place, "is not a table", f"write [units.{key}]")
    _known(table, _UNIT_KEYS, place)
    unit = _unit_name(key, place)
    secrets = [Secret(text) for text in _texts(table.get("webhook_secret", ()), f"{place}.webhook_secret")]
    secrets += [read_secret(path) for path in _texts(table.get("webhook_secret_file", ()), place)]
    windows = [
        *own.get(unit, []),
        *(_window(text, place) for text in _texts(table.get("windows", ()), place)),
    ]
    return UnitEntry(
        unit=unit,
        image=_text(table, "image", place),
        webhook_secrets=tuple(secrets),
        probe=_text(table, "probe", place),
        verify_timeout_s=_seconds(table, "verify_timeout", place),
        verify_settle_s=_seconds(table, "verify_settle", place),
        cooldown_s=_seconds(table, "cooldown", place),
        keep_images=_count(table, "keep_images", place),
        hooks=_hooks(_table(table, "hooks", place), f"{place}.hooks") if "hooks" in table else None,
        windows=tuple(windows),
    )


def _windows(rows: Any) -> tuple[tuple[Window, ...], dict[str, list[Window]]]:
    """Return the windows for all units, and those for some by unit."""
    shared: list[Window] = []
    own: dict[str, list[Window]] = {}
    if not isinstance(rows, list):
        raise _Wrong("windows", "is not a list of tables", "write [[windows]]")
    for number, row in enumerate(rows, 1):
        place = f"windows, number {number},"
        if not isinstance(row, dict):
            raise _Wrong(place, "is not a table", "write [[windows]]")
        _known(row, ("open", "units"), place)
        window = _window(_text(row, "open", place), place)
        names = _texts(row.get("units", ()), place)
        for name in names:
            own.setdefault(_unit_name(name, place), []).append(window)
        if not names:
            shared.append(window)
    return tuple(shared), own


def _window(text: str, place: str) -> Window:
    try:
        return parse_window(text)
    except ValueError as error:
        raise _Wrong(place, f"{text!r} is not a window: {error}") from error


def _hooks(table: Mapping[str, Any], place: str) -> Hooks:
    _known(table, ("before", "after"), place)
    return Hooks(*(_command(table.get(name, []), f"{place}.{name}") for name in ("before", "after")))


def _command(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise _Wrong(
            place, "is not a list of words", 'write ["/path/to/command", "argument"]; there is no shell'
        )
    if value and not value[0].startswith("/"):
        raise _Wrong(place, "does not begin with an absolute path")
    return tuple(value)


def _unit_name(name: str, place: str) -> str:
    try:
        return unit_name(name)
    except Invalid as error:
        raise _Wrong(place, error.message, error.hint) from error


def _known(table: Mapping[str, Any], names: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in names:
            near = nearest(key, names)
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(names)}"
            raise _Wrong(place, f"does not know {key!r}", hint)


def _table(table: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise _Wrong(f"{place} {key}".strip(), "is not a table", f"write [{key}]")
    return value


def _tables(document: Mapping[str, Any], key: str) -> Mapping[str, Mapping[str, Any]]:
    tables = _table(document, key, "")
    for name in tables:
        _table(tables, name, f"{key}.")
    return tables


def _text(table: Mapping[str, Any], key: str, place: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise _Wrong(f"{place}.{key}", "is not a text")
    return value


def _texts(value: Any, place: str) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(item, str) for item in values):
        raise _Wrong(place, "wants a text, or a list of them")
    return tuple(values)


def _seconds(table: Mapping[str, Any], key: str, place: str) -> int | None:
    if key not in table:
        return None
    try:
        return seconds()(_as_text(table[key], f"{place}.{key}"))
    except ValueError as error:
        raise _Wrong(f"{place}.{key}", f"= {table[key]!r} is not possible: {error}") from error


def _count(table: Mapping[str, Any], key: str, place: str) -> int | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise _Wrong(f"{place}.{key}", "is not a whole number from 1 on")
    return value


def _as_text(value: Any, place: str) -> str:
    """Return a TOML value as the text the same setting has in the environment."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ",".join(map(str, value))
    raise _Wrong(place, "is neither a text, a number, a truth value nor a list of texts")
