"""`doctor`: looks at everything this program needs on its host, and says what to do about what is missing.

It changes nothing. Exit code 1 when something stands in the way, 0 when all is well or only worth a look.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from podup.cli.context import Context
from podup.clock import SystemClock
from podup.errors import EXIT_DONE, EXIT_FAILED, PodupError, Refused, error_of_os
from podup.files import holder, require_own
from podup.host.run import Command
from podup.host.systemd import Systemd
from podup.records import asdict, dataclass
from podup.settings.load import Loaded
from podup.store.backup import verify
from podup.update import assemble, checkout, installation, journal, kept, remembered
from podup.update.reports import UNIT

_OK, _LOOK, _BAD = "ok", "look", "bad"
_ROLES = {_OK: "ok", _LOOK: "warn", _BAD: "bad"}
_LEAST_FREE_BYTES = 200 * 1024 * 1024
_AUTO_UPDATE_TIMER = "podman-auto-update.timer"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `hint` says what to do when it is not well."""

    about: str
    state: str
    says: str
    hint: str = ""


def run(args: Mapping[str, Any], context: Context) -> int:
    """Look at everything, and print it."""
    loaded = context.settings()
    parts = assemble.parts_of(loaded, SystemClock(), lambda line: None)
    findings = [found for look in _LOOKS for found in _safely(look, parts)]
    if args["json"]:
        context.out.json({"findings": [asdict(found) for found in findings]})
    else:
        rows = [(found.state, found.about, found.says) for found in findings]
        roles = [_ROLES[found.state] for found in findings]
        context.out.table(("", "what", "finding"), rows, roles=roles)
        hints = [f"{found.about}: {found.hint}" for found in findings if found.hint and found.state != _OK]
        for hint in dict.fromkeys(hints):
            context.out.line(hint)
    return EXIT_FAILED if any(found.state == _BAD for found in findings) else EXIT_DONE


_Look = Callable[[assemble.Parts], Iterator[Finding]]


def _safely(look: _Look, parts: assemble.Parts) -> list[Finding]:
    try:
        return list(look(parts))
    except (PodupError, OSError) as error:
        told = error_of_os(error) if isinstance(error, OSError) else error
        return [Finding(look.__name__.strip("_"), _BAD, told.message, told.hint)]


def _python(parts: assemble.Parts) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding(
        "python", _OK if good else _BAD, f"{version} at {sys.executable}", "install Python 3.11 or newer"
    )


def _settings(parts: assemble.Parts) -> Iterator[Finding]:
    loaded = parts.loaded
    for warning in loaded.warnings:
        yield Finding("settings", _LOOK, warning)
    if not loaded.settings.access.webhook_secrets and not loaded.config.units:
        hint = "set PODUP_GH_WEBHOOK_SECRET in ~/.config/pod-upgrade-trigger-http.env"
        yield Finding("webhooks", _LOOK, "no secret is set, so webhooks are refused", hint)


def _ownership(directory: Path) -> Iterator[Finding]:
    try:
        require_own(directory)
    except Refused as error:
        yield Finding("state", _BAD, error.message, error.hint)


def _state(parts: assemble.Parts) -> Iterator[Finding]:
    state = parts.loaded.settings.state
    directory = state.directory
    if not directory.is_dir():
        yield Finding("state", _LOOK, f"{directory} does not exist yet", "the first start makes it")
        return
    mode = directory.stat().st_mode & 0o777
    writable = os.access(directory, os.W_OK | os.X_OK)
    hint = f"chmod 700 {directory}"
    if not writable:
        yield Finding("state", _BAD, f"{directory} is not writable", "check its owner and mode")
    else:
        yield Finding("state", _LOOK if mode & 0o077 else _OK, f"{directory}, mode {mode:o}", hint)
    yield from _ownership(directory)
    free = assemble.free_bytes(directory)
    enough = free >= _LEAST_FREE_BYTES
    yield Finding("disk", _OK if enough else _BAD, f"{free >> 20} MiB free for the state", "make room")
    who = holder(directory / "daemon.lock")
    is_installed = (installation.units_directory(parts.loaded.environment) / UNIT).exists()
    hint = f"systemctl {parts.systemd.option} start {UNIT}" if is_installed else "run `install`"
    yield Finding("daemon", _OK if who else _LOOK, who or "no daemon runs here", hint)
    if state.database.exists():
        found = verify(state.database)
        yield Finding("database", _OK, f"sound, schema {found.schema}, {found.size_bytes >> 10} KiB")


def _program(parts: assemble.Parts) -> Iterator[Finding]:
    loaded = parts.loaded
    places = checkout.places_of(loaded)
    target = places.target
    if not target.exists():
        hint = "set CODE_DIR to the checkout" if places.is_checkout else "run `install`, or set TARGET_BIN"
        yield Finding("program", _LOOK, f"nothing is installed at {target}", hint)
        return
    yield Finding("program", _OK, f"{kept.read_version(target)} at {target}")
    real = target if places.is_checkout else target.resolve().parent
    if not os.access(real, os.W_OK | os.X_OK):
        says = f"{real} is not writable, so no update can be installed"
        yield Finding("program", _BAD, says, "check its owner and mode")
    if places.is_checkout:
        return
    on_path = str(target.parent) in loaded.environment.get("PATH").split(":")
    hint = f"add {target.parent} to PATH in ~/.profile"
    yield Finding(
        "PATH", _OK if on_path else _LOOK, f"{target.parent} is {'' if on_path else 'not '}on PATH", hint
    )


def _updates(parts: assemble.Parts) -> Iterator[Finding]:
    places = checkout.places_of(parts.loaded)
    if not places.target.exists():
        return
    if not places.is_checkout and not parts.loaded.settings.updates.repo:
        hint = "set PODUP_RELEASE_REPO=OWNER/NAME in ~/.config/pod-upgrade-trigger-http.env"
        yield Finding("updates", _LOOK, "nothing says which repository releases come from", hint)
    held = remembered.hold_reason(places)
    if held:
        yield Finding("updates", _BAD, f"on hold: {held}", remembered.CLEAR_HOLD)
    if who := holder(places.lock):
        yield Finding("updates", _LOOK, f"an update is under way: {who}", "wait until it is done")
    elif journal.load(places.journal) is not None:
        hint = "the daemon settles it in a moment, or boot-guard at the next start of the service"
        yield Finding("updates", _LOOK, "an update was interrupted", hint)
    known = remembered.load_rejected(places)
    if known.put_off.version:
        says = f"{known.put_off.version} was put off: {known.put_off.reason}"
        yield Finding("updates", _LOOK, says, "it is tried again by itself; `self-update` does it at once")
    for version, one in known.versions.items():
        hint = remembered.try_again(version)
        yield Finding("updates", _LOOK, f"{version} was rejected: {one.reason}", hint)


def _systemd(parts: assemble.Parts) -> Iterator[Finding]:
    environment, systemd = parts.loaded.environment, parts.systemd
    overall = systemd.overall()
    fine = overall in ("running", "degraded", "starting")
    yield Finding(
        "systemd", _OK if fine else _BAD, f"the manager is {overall}", "loginctl enable-linger; log in anew"
    )
    if not fine:
        return
    user = environment.get("USER") or environment.home.name
    if not environment.is_root:
        lingers = systemd.has_linger(user)
        says = f"{user} {'lingers' if lingers else 'does not linger: services end with the login'}"
        yield Finding("linger", _OK if lingers else _LOOK, says, f"loginctl enable-linger {user}")
    yield from _units(parts.loaded, systemd)


def _units(loaded: Loaded, systemd: Systemd) -> Iterator[Finding]:
    shipped = installation.unit_files()
    directory = installation.units_directory(loaded.environment)
    state, timer = systemd.show(UNIT, _AUTO_UPDATE_TIMER)
    if not state.exists:
        yield Finding("unit", _LOOK, f"{UNIT} is not installed", "run `install`")
    else:
        good = state.active == "active"
        yield Finding(
            "unit",
            _OK if good else _BAD,
            f"{UNIT} is {state.active} ({state.sub})",
            f"journalctl {systemd.option} -u {UNIT}",
        )
        if state.need_reload:
            hint = f"systemctl {systemd.option} daemon-reload"
            yield Finding("unit", _LOOK, "its file changed after it was read", hint)
        path = directory / UNIT
        if path.exists() and path.read_bytes() != shipped[UNIT]:
            yield Finding(
                "unit", _LOOK, f"{path} differs from the one shipped", "compare: install --export DIR"
            )
    if timer.active == "active":
        hint = f"systemctl {systemd.option} disable --now {_AUTO_UPDATE_TIMER}"
        yield Finding(
            "auto-update", _LOOK, f"{_AUTO_UPDATE_TIMER} also restarts services, without a way back", hint
        )


def _podman(parts: assemble.Parts) -> Iterator[Finding]:
    asked = ("podman", "version", "--format", "{{.Client.Version}}")
    done = parts.runner.run(Command(asked, mutates=False))
    says = done.stdout.strip() or done.stderr.strip().partition("\n")[0]
    yield Finding("podman", _OK if done.ok else _BAD, says, "install podman")
    user = parts.loaded.environment.get("USER") or parts.loaded.environment.home.name
    for name in ("/etc/subuid", "/etc/subgid") if not parts.loaded.environment.is_root else ():
        path = Path(name)
        has = path.exists() and any(line.startswith(f"{user}:") for line in path.read_text().splitlines())
        if not has:
            hint = f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
            yield Finding("rootless", _LOOK, f"{name} has no line for {user}", hint)


_LOOKS: tuple[_Look, ...] = (_python, _settings, _state, _program, _updates, _systemd, _podman)
