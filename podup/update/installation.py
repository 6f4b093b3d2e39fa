"""Installing and removing the program for a user: program, units, environment file, scripts.

Everything comes out of the program's own file, so that its release assets are enough on a new machine. An
environment file that exists is never touched; a unit or script that differs is replaced only when asked to.
Root installs for the system's manager, everybody else for their own.
"""

from collections.abc import Iterator
from enum import StrEnum
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import Path

import podup
from podup import compiled
from podup.files import durable_write, make_dirs, remove, remove_tree, sync_dir
from podup.host.run import Command, Runner
from podup.records import dataclass
from podup.settings.environment import Environment
from podup.settings.render import environment_example

HTTP = "pod-upgrade-trigger-http"
UPDATER = "pod-upgrade-trigger-updater"
UNITS = (f"{HTTP}.service", f"{HTTP}.socket", f"{UPDATER}.service", f"{UPDATER}.timer")
_NO_MANAGER = "log in as this user itself, not by su or sudo; `loginctl enable-linger` needs no login at all"
_ENV_NAME = "pod-upgrade-trigger-http.env"
_SCRIPTS = ("self-update-runner.sh", "update-pod-upgrade-trigger-from-release.sh", "entrypoint.sh")


class Standing(StrEnum):
    """How a file to install stands to what is there."""

    NEW = "new"
    SAME = "same"
    DIFFERS = "differs"
    YOURS = "kept"


@dataclass(frozen=True, slots=True)
class Item:
    """One file to install."""

    path: Path
    data: bytes
    mode: int
    standing: Standing


def items(environment: Environment, target: Path, own: Path | None) -> list[Item]:
    """Return every file of an installation; `own` is the program that runs, None in a checkout."""
    units = units_directory(environment)
    found = [_item(units / name, data, 0o644) for name, data in unit_files().items()]
    found += [
        _item(scripts_directory(environment) / name, data, 0o755) for name, data in script_files().items()
    ]
    env = environment.home / ".config" / _ENV_NAME
    if env.exists():
        found.append(Item(env, b"", 0o600, Standing.YOURS))
    else:
        found.append(Item(env, environment_example().encode(), 0o600, Standing.NEW))
    if own is not None and own.resolve() != target.resolve():
        found.append(_item(target, own.read_bytes(), 0o755))
    return found


def write(found: list[Item], *, replace: bool) -> list[Path]:
    """Write what is new, and with `replace` what differs; return what was written."""
    written = []
    for item in found:
        if item.standing is Standing.NEW or (item.standing is Standing.DIFFERS and replace):
            make_dirs(item.path.parent, mode=0o755)
            durable_write(item.path, item.data, mode=item.mode)
            written.append(item.path)
    return written


def export(directory: Path) -> list[Path]:
    """Write units, environment example and scripts under `directory`, named as in the repository."""
    written = []
    for kind, found in (("systemd", dict(_shared("systemd"))), ("scripts", script_files())):
        make_dirs(directory / kind, mode=0o755)
        for name, data in found.items():
            durable_write(directory / kind / name, data, mode=0o755 if kind == "scripts" else 0o644)
            written.append(directory / kind / name)
    return written


def switch_on(runner: Runner, environment: Environment, units: tuple[str, ...]) -> None:
    """Let the manager read its units again, and enable and start these. Raises PodupError."""
    scope = environment.manager_option
    done = runner.run(Command(("systemctl", scope, "daemon-reload"), mutates=True))
    done.check("systemd-reload-failed", "systemd could not read its unit files again", _NO_MANAGER)
    if any(unit.endswith(".socket") for unit in units):
        # systemd.socket(5): a socket is not started while its service runs without it.
        is_held = runner.run(Command(("systemctl", scope, "is-active", f"{HTTP}.socket"), mutates=False)).ok
        if not is_held:
            stop = ("systemctl", scope, "stop", f"{HTTP}.service")
            runner.run(Command(stop, mutates=True, timeout_s=180.0))
    words = ("systemctl", scope, "enable", "--now", *units)
    done = runner.run(Command(words, mutates=True, timeout_s=180.0))
    hint = f"why: journalctl {scope} -u {HTTP}.service -n 20; see also `doctor`"
    done.check("units-not-enabled", f"could not start {', '.join(units)}", hint)


def switch_off(runner: Runner, environment: Environment) -> None:
    """Stop and disable all units; those that are not there are fine."""
    for unit in UNITS:
        words = ("systemctl", environment.manager_option, "disable", "--now", unit)
        runner.run(Command(words, mutates=True, timeout_s=180.0))


def remove_installed(environment: Environment) -> list[Path]:
    """Remove unit files and scripts; program, environment file and state stay. Return what went."""
    units = units_directory(environment)
    gone = [units / name for name in UNITS if (units / name).exists()]
    for path in gone:
        remove(path, missing_ok=True)
    if gone:
        sync_dir(units)
    scripts = scripts_directory(environment)
    if scripts.is_dir():
        remove_tree(scripts)
        gone.append(scripts)
    return gone


def purge(environment: Environment, target: Path, state: Path) -> list[Path]:
    """Remove the program, the one before it, the environment file, its compiled code and the whole state."""
    gone = leftovers(environment, target, state)
    for path in gone:
        remove_tree(path)
    return gone


def leftovers(environment: Environment, target: Path, state: Path) -> list[Path]:
    """Return what `remove_installed` leaves and `purge` removes, as far as it is there."""
    env = environment.home / ".config" / _ENV_NAME
    beside = (target.with_name(target.name + ".old"), target.with_name(f".{target.name}.flock"))
    found = (target, *beside, env, state, compiled_directory(environment))
    return [path for path in found if path.exists()]


def compiled_directory(environment: Environment) -> Path:
    """Return where this user's compiled code is kept for the next start (podup.compiled)."""
    return environment.cache_home / compiled.NAME


def unit_files() -> dict[str, bytes]:
    """Return the units under the names they are installed by."""
    return {
        name.replace(".user.", ".").removesuffix(".example"): data
        for name, data in _shared("systemd")
        if ".user." in name
    }


def script_files() -> dict[str, bytes]:
    """Return the scripts an installation uses."""
    return {name: data for name, data in _shared("scripts") if name in _SCRIPTS}


def units_directory(environment: Environment) -> Path:
    """Return where this user's own units lie."""
    if environment.is_root:
        return Path("/etc/systemd/system")
    return environment.config_home / "systemd" / "user"


def scripts_directory(environment: Environment) -> Path:
    """Return where the units look for the scripts."""
    return environment.home / ".local" / "share" / "pod-upgrade-trigger" / "scripts"


def _shared(kind: str) -> Iterator[tuple[str, bytes]]:
    packed: Traversable = package_files(podup).joinpath("share", kind)
    place = packed if packed.is_dir() else Path(podup.__file__ or "").resolve().parents[1] / kind
    for entry in sorted(place.iterdir(), key=lambda found: found.name):
        if entry.is_file() and entry.name.endswith((".example", ".sh")):
            yield entry.name, entry.read_bytes()


def _item(path: Path, data: bytes, mode: int) -> Item:
    if not path.exists():
        return Item(path, data, mode, Standing.NEW)
    return Item(path, data, mode, Standing.SAME if path.read_bytes() == data else Standing.DIFFERS)
