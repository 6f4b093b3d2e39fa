"""The dry start: a new program starts on a copy of the database before anything is touched.

It imports everything, migrates the copy and listens; the copy is held against what it was before. A program
that is no good is remembered, so that it is not tried again by itself. Where the machine failed it (no room,
no memory, a disk that reports errors) nothing was found out: the next update tries it again.
"""

from pathlib import Path

from podup.core.host_faults import HOST_UNFIT
from podup.errors import PodupError, Unavailable
from podup.files import make_dirs, remove
from podup.update import kept, remembered, swap
from podup.update.choosing import REJECTED_HINT
from podup.update.journal import Build, Record
from podup.update.world import Ground, World


def rehearse(world: World, record: Record, program: Path) -> int:
    """Start the program, a file or a directory of code; return the schema it works with.

    Raises PodupError `release-no-good`, Unavailable `host-unfit`.
    """
    ground = world.ground
    copy = _copy(ground)
    before = ground.database.look(copy) if copy else None
    ground.log("dry start of the new program on a copy of the database")
    seen = world.dry_start(program, copy)
    if seen.is_of_host:
        raise _unfit(seen.problem)
    if seen.problem:
        raise no_good(ground, record, f"its dry start failed: {seen.problem}")
    if seen.version != record.after.answers_as:
        raise no_good(ground, record, f"it answers as version {seen.version or 'unknown'}")
    if copy is not None and before is not None:
        after = ground.database.look(copy)
        if before.is_unread or after.is_unread:
            raise _unfit("; ".join((*before.problems, *after.problems)))
        lost = "; ".join(after.problems) or swap.lost_in_migration(before, after)
        if lost:
            raise no_good(ground, record, f"its migration damages the database: {lost}")
    return seen.schema


def rehearse_commit(world: World, record: Record, commit: Build) -> Build:
    """Start the code of a commit beside the code that runs; return the build with the schema it works with.

    A commit that needs other packages than those installed cannot be started before they are: it is judged in
    its place. Raises what `rehearse` does.
    """
    checkout = world.ground.checkout
    assert checkout is not None
    code = world.ground.places.scratch / "code"
    if not checkout.lay_out(commit, code):
        world.ground.log("no dry start: it needs other packages than those installed")
        return commit
    return Build(commit.version, commit.sha256, rehearse(world, record, code))


def no_good(ground: Ground, record: Record, why: str) -> PodupError:
    """Remember that verified bytes are no good; return the error that says so.

    A version somebody goes back to was good before: that it does not fit the database now says nothing of it.
    """
    if record.tag and not record.dry_run:  # a kept version is asked for by no tag
        sha256 = record.after.sha256 or kept.digest(ground.places.new(record.txid))
        rejection = remembered.Rejection(why, int(ground.clock.now()), sha256)
        remembered.reject(ground.places, record.after.version, rejection)
    return PodupError("release-no-good", f"{record.after.version} is no good: {why}", REJECTED_HINT)


def _copy(ground: Ground) -> Path | None:
    places = ground.places
    if not places.database.exists():
        return None
    make_dirs(places.scratch)
    copy = places.scratch / places.database.name
    remove(copy, missing_ok=True)
    ground.database.copy(places.database, copy)
    return copy


def _unfit(problem: str) -> Unavailable:
    hint = "mend the machine; the next update tries this version again"
    return Unavailable(HOST_UNFIT, f"the dry start could not be made on this machine: {problem}", hint)
