"""`self-update` and what belongs to it: the history, rejected versions, going back.

The work is done by the one chain in `podup.update`; here it is asked for and shown.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podup.cli.context import Context
from podup.cli.moments import when
from podup.clock import SystemClock
from podup.errors import EXIT_DONE, EXIT_FAILED, Invalid, Refused
from podup.log import say
from podup.records import asdict
from podup.update import assemble, chain, checkout, choosing, kept, launch, remembered, reports
from podup.update.choosing import Request
from podup.update.places import Places, check_target

_ROLES = {"succeeded": "ok", "rolled_back": "warn", "failed": "bad", "held": "bad"}


def run(args: Mapping[str, Any], context: Context) -> int:
    """Check for, try, or make an update."""
    loaded = context.settings()
    parts = assemble.parts_of(loaded, SystemClock(), lambda line: None)
    if args["clear_hold"]:
        return _clear_hold(checkout.places_of(loaded), context)
    request = Request(
        tag=checkout.asked_for(loaded.environment, args["to"] or loaded.settings.updates.tag),
        dry_run=args["dry_run"],
        force=args["force"],
        is_automatic=args["automatic"],
        actor=args["caller"] or ("timer" if args["automatic"] else "cli"),
        reason=args["reason"],
        report=Path(args["report"]).name,
    )
    if args["check"]:
        return _check(parts, request, context, as_json=args["json"])
    return _update(parts, request, context, as_json=args["json"])


def run_given(args: Mapping[str, Any], context: Context) -> int:
    """Be the process of a transaction; `launch.start` wrote the file."""
    given = launch.read_given(Path(args["file"]))
    return launch.run_given(assemble.parts_of(given.loaded, SystemClock(), say), given)


def go_back(args: Mapping[str, Any], context: Context) -> int:
    """Go back to a kept version, by the same chain."""
    parts = assemble.parts_of(context.settings(), SystemClock(), lambda line: None)
    places = checkout.places_of(parts.loaded)
    if bool(args["version"]) == args["last_good"]:
        raise Invalid("usage", "name a version, or give --last-good", "`history` shows them")
    wanted = choosing.last_good(places) if args["last_good"] else args["version"]
    if not places.is_checkout:
        kept.find(places, wanted)
    request = Request(
        kept_version=wanted,
        dry_run=args["dry_run"],
        force=True,
        actor=args["caller"] or "cli",
        reason=args["reason"],
    )
    return _update(parts, request, context, as_json=args["json"])


def show_history(args: Mapping[str, Any], context: Context) -> int:
    """Print every ended update, newest first, and which versions are kept."""
    places = checkout.places_of(context.settings())
    entries = remembered.history(places)
    if args["json"]:
        context.out.json({"history": [asdict(entry) for entry in entries], "kept": kept.versions(places)})
        return EXIT_DONE
    rows = [
        (
            when(entry.at),
            entry.before,
            entry.after or "-",
            entry.sha256[:12] or "-",
            entry.outcome,
            entry.actor,
            entry.message or entry.reason,
        )
        for entry in entries
    ]
    roles = [_ROLES.get(entry.outcome, "") for entry in entries]
    headings = ("when", "from", "to", "sha256", "outcome", "by", "message")
    context.out.table(headings, rows, roles=roles, is_cut=True)
    context.out.line(f"installed: {kept.installed(places) or f'none at {places.target}'}")
    context.out.line(f"kept: {', '.join(kept.versions(places)) or 'none'}")
    held = remembered.hold_reason(places)
    if held:
        context.out.note(f"updates are on hold: {held}", "bad")
    return EXIT_DONE


def rejected(args: Mapping[str, Any], context: Context) -> int:
    """Print the versions that failed here, let one be tried again, or keep one from being tried."""
    places = checkout.places_of(context.settings())
    if (args["verb"] != "list") != bool(args["version"]):
        said = "release and add take one version, list takes none"
        raise Invalid("usage", said, "self-update rejected release 1.2.3")
    version = args["version"].removeprefix("v")
    if args["verb"] == "add":
        why = args["reason"] or "an operator said so"
        remembered.reject(places, version, remembered.Rejection(why, int(SystemClock().now())))
        context.out.line(f"{version} will not be tried")
        return EXIT_DONE
    if args["verb"] == "release":
        remembered.release(places, version)
        context.out.line(f"{version} may be tried again")
        return EXIT_DONE
    known = remembered.load_rejected(places).versions
    if args["json"]:
        context.out.json(
            {"rejected": [{"version": version, **asdict(one)} for version, one in known.items()]}
        )
        return EXIT_DONE
    clock = SystemClock()
    cells = [
        (version, clock.local(one.at).strftime("%Y-%m-%d %H:%M"), one.reason)
        for version, one in known.items()
    ]
    context.out.table(("version", "since", "reason"), cells)
    return EXIT_DONE


def _update(parts: assemble.Parts, request: Request, context: Context, *, as_json: bool) -> int:
    if request.dry_run:
        told = assemble.Parts(parts.loaded, parts.clock, parts.runner, context.out.note)
        ended = launch.run_here(told, request)
        body = {"status": ended.end.value, "message": ended.record.message, "to": ended.record.after.version}
        code = reports.exit_code_of(ended.end, ended.record.code)
    else:
        started = launch.start(parts, request)
        try:
            report = launch.follow(parts, started, context.out.note)
        except KeyboardInterrupt:
            log = checkout.places_of(parts.loaded).log
            context.out.note(f"the update goes on without this command: see {log}, then `history`", "warn")
            raise
        body = {"status": report.status.value, "message": report.message, "to": report.after}
        code = report.exit_code
    if as_json:
        context.out.json(body)
    else:
        role = "ok" if code == EXIT_DONE else "bad"
        says = f"{body['status']}: {body['message'] or body['to']}"
        context.out.line(context.out.styled(says, role))
    return code


def _check(parts: assemble.Parts, request: Request, context: Context, *, as_json: bool) -> int:
    ground = assemble.ground_of(parts)
    seen = chain.check(ground, assemble.releases_of(parts, ground, dry_run=True), request)
    if as_json:
        context.out.json(
            {
                "current": seen.current,
                "newest": seen.newest,
                "update_available": seen.is_available,
                "reason": seen.why,
            }
        )
    elif seen.is_available:
        context.out.line(f"{seen.current} -> {seen.newest} is available")
    else:
        context.out.line(f"{seen.current} stays: {seen.why}")
    try:
        check_target(ground.places)
    except Refused as error:
        context.out.note(f"no update can be made: {error.on_one_line}", "warn")
    return EXIT_DONE


def _clear_hold(places: Places, context: Context) -> int:
    if remembered.clear_hold(places):
        context.out.line("updates may go on")
        return EXIT_DONE
    context.out.note("updates are not on hold")
    return EXIT_FAILED
