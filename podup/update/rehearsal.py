"""The dry start: a new program starts on a copy of the database before anything is touched.

It imports everything, migrates the copy and listens; the copy is held against what it was before. A program
that is no good is remembered, so that it is not tried again by itself. Where the world failed it (no room, no
memory, a disk that reports errors, an index of packages that is away) nothing was found out: it is put off,
and tried again. Where nobody can tell it is put off as well, and no good the third time; each time a program
that did not end has twice as long.
"""

from pathlib import Path

from podup.core.host_faults import Blame, Problem
from podup.errors import PodupError, Unavailable
from podup.files import make_dirs, remove
from podup.update import kept, remembered, swap
from podup.update.journal import Build, Record
from podup.update.states import MAX_IN_DOUBT, again_after_s
from podup.update.world import Ground, World


def rehearse(world: World, record: Record, program: Path) -> int:
    """Start the program, a file or a directory of code; return the schema it works with.

    Raises PodupError `release-no-good`, Unavailable `put-off`.
    """
    ground = world.ground
    known = remembered.times_put_off(ground.places, record.after.version)
    copy = _copy(ground)
    before = ground.database.look(copy) if copy else None
    ground.log("dry start of the new program on a copy of the database")
    seen = world.dry_start(program, copy, 2**known.in_doubt)
    if seen.problem is not None:
        raise _failed(ground, record, "its dry start failed", seen.problem)
    if seen.version != record.after.answers_as:
        raise no_good(ground, record, f"it answers as version {seen.version or 'unknown'}")
    if copy is not None and before is not None:
        after = ground.database.look(copy)
        if before.is_unread or after.is_unread:
            unread = Problem("; ".join((*before.problems, *after.problems)), Blame.WORLD)
            raise _failed(ground, record, "the copy of the database cannot be read", unread)
        lost = "; ".join(after.problems) or swap.lost_in_migration(before, after)
        if lost:
            raise no_good(ground, record, f"its migration damages the database: {lost}")
    return seen.schema


def rehearse_commit(world: World, record: Record, commit: Build) -> Build:
    """Start the code of a commit beside the code that runs; return the build with the schema it works with.

    Where it needs other packages than those installed, they are beside it. Raises what `rehearse` does.
    """
    checkout = world.ground.checkout
    assert checkout is not None
    code = world.ground.places.scratch / "code"
    problem = checkout.lay_out(commit, code)
    if problem is not None:
        raise _failed(world.ground, record, "what it needs cannot be installed", problem)
    return Build(commit.version, commit.sha256, rehearse(world, record, code))


def no_good(ground: Ground, record: Record, why: str) -> PodupError:
    """Remember that verified bytes are no good; return the error that says so.

    A version somebody goes back to was good before: that it does not fit the database now says nothing of it.
    """
    if record.tag and not record.dry_run:  # a kept version is asked for by no tag
        sha256 = record.after.sha256 or kept.digest(ground.places.new(record.txid))
        rejection = remembered.Rejection(why, int(ground.clock.now()), sha256)
        remembered.reject(ground.places, record.after.version, rejection)
    says = f"{record.after.version} is no good: {why}"
    return PodupError("release-no-good", says, remembered.try_again(record.after.version))


def _copy(ground: Ground) -> Path | None:
    places = ground.places
    if not places.database.exists():
        return None
    make_dirs(places.scratch)
    copy = places.scratch / places.database.name
    remove(copy, missing_ok=True)
    ground.database.copy(places.database, copy)
    return copy


def _failed(ground: Ground, record: Record, what: str, problem: Problem) -> PodupError:
    """Remember a problem as what it is; return the error that says so."""
    version, why = record.after.version, f"{what}: {problem.says}"
    is_in_doubt = problem.blame is Blame.UNCLEAR
    known = remembered.times_put_off(ground.places, version)
    if problem.blame is Blame.PROGRAM or (is_in_doubt and known.in_doubt + 1 >= MAX_IN_DOUBT):
        return no_good(ground, record, f"{why} ({MAX_IN_DOUBT} tries)" if is_in_doubt else why)
    now = int(ground.clock.now())
    known = remembered.put_off(ground.places, version, why, now, in_doubt=is_in_doubt)
    says = f"{version} is put off: {why}"
    if is_in_doubt:
        says += f" (try {known.in_doubt} of {MAX_IN_DOUBT})"
    again = remembered.minutes(again_after_s(known.count))
    hint = f"automatic updates try it again in {again}, `self-update` does at once; nothing was changed"
    return Unavailable("put-off", says, hint)
