"""From REQUESTED to STAGED: the new program is chosen, fetched, verified and tried; nothing is touched."""

from pathlib import Path

from podup.errors import Refused
from podup.files import copy_file, set_mode
from podup.records import replace
from podup.update import choosing, journal, kept, remembered
from podup.update.choosing import Chosen, Request, Skip
from podup.update.journal import Build, Record
from podup.update.rehearsal import no_good, rehearse, rehearse_commit
from podup.update.states import State
from podup.update.world import Ground, World


def stage(world: World, request: Request, record: Record) -> Record:
    """Keep, choose, download, verify, dry start; return the STAGED record, or a dry run's.

    Raises Skip where there is nothing to do, or not now, and PodupError.
    """
    ground = world.ground
    places = ground.places
    if ground.checkout is not None:
        kept.note_good(places, record.before)
    elif not record.dry_run:
        kept.keep(places, places.target, record.before)
        kept.set_good(places, record.before)
    chosen = choosing.choose(ground, world.releases, request, record.before.version)
    if request.is_automatic:
        now = int(ground.clock.now())
        why = world.may_begin(chosen.version) or remembered.why_not_yet(places, chosen.version, now)
        if why:
            raise Skip("put-off", why)
    source = world.releases.url_of(chosen.tag) if chosen.release else chosen.path or "the repository"
    ground.log(f"{record.before.version} -> {chosen.version}, from {source}")
    record = replace(record, tag=chosen.tag, after=Build(chosen.version, ""))
    record = journal.store(places.journal, record)
    _check_room(world, chosen)
    if chosen.commit is not None:
        return _stage_commit(world, record, chosen.commit)
    new = places.new(record.txid)
    if chosen.path is not None:
        copy_file(chosen.path, new)
        sha256 = kept.digest(new)
    else:
        assert chosen.release is not None
        sha256 = world.releases.fetch(chosen.release, new)
    found = _version_in(ground, record, new)
    if found != chosen.version:
        raise no_good(ground, record, f"the file of {chosen.tag} says it is version {found}")
    record = journal.store(places.journal, replace(record, after=Build(chosen.version, sha256)))
    if record.dry_run:
        return record
    record = replace(record, after=Build(chosen.version, sha256, rehearse(world, record, new)))
    _make_executable(ground, record)
    return journal.advance(places.journal, record, State.STAGED, after=record.after)


def _stage_commit(world: World, record: Record, commit: Build) -> Record:
    ground = world.ground
    record = replace(record, after=commit)
    if record.dry_run or ground.checkout is None:
        return record
    record = replace(record, after=rehearse_commit(world, record, commit))
    ground.checkout.back_up(record.started_at)
    return journal.advance(ground.places.journal, record, State.STAGED, after=record.after)


def _version_in(ground: Ground, record: Record, new: Path) -> str:
    """Return the version a verified file says; one that is no program is remembered. Raises PodupError."""
    try:
        return kept.read_version(new)
    except Refused as error:
        if isinstance(error.__cause__, OSError):
            raise
        raise no_good(ground, record, error.message) from error


def _check_room(world: World, chosen: Chosen) -> None:
    """Refuse early when the copies this update makes would not fit. Raises Refused `no-room`."""
    places = world.ground.places
    size = chosen.release.size if chosen.release else chosen.path.stat().st_size if chosen.path else 0
    database = places.database.stat().st_size if places.database.exists() else 0
    for directory, needed in ((places.target.parent, 2 * size), (places.state, 3 * database + 3 * size)):
        free = world.free_bytes(directory)
        if free < needed + 1024 * 1024:
            missing = f"{directory} has {free >> 20} MiB free, {(needed >> 20) + 1} are needed"
            raise Refused("no-room", missing, "make room")


def _make_executable(ground: Ground, record: Record) -> None:
    """Give the verified new file the mode of the target."""
    mode = ground.places.target.stat().st_mode & 0o777
    set_mode(ground.places.new(record.txid), mode | 0o100)
