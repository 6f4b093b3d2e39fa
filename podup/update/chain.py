"""The self-update: one chain, many callers.

    choose -> download -> verify -> dry start -> stop -> back up -> switch -> start -> judge -> commit
                                                                                   \\-> take back -> judge

Whoever runs it must not die with the service (a unit of its own), and must not be the file at the target,
which is replaced under it (a kept copy). Two locks, one for the state directory and one beside the target,
make it the only one. What an earlier run left is recovered first, by the same rule as everywhere.
"""

from pathlib import Path

from podup.core.host_faults import HOST_UNFIT
from podup.errors import Busy, PodupError, Refused
from podup.files import FileLock, copy_file, holder, is_locked, make_dirs
from podup.records import dataclass, replace
from podup.update import choosing, journal, kept, recovery, remembered, swap, trial
from podup.update.choosing import Chosen, Skip
from podup.update.journal import Build, Record
from podup.update.places import Places, check_target
from podup.update.recovery import TRIAL_FAILED, Ended
from podup.update.rehearsal import no_good, rehearse, rehearse_commit
from podup.update.reports import unused_name
from podup.update.states import MAX_ROLLBACK_TRIES, UNTOUCHED, Act, End, State
from podup.update.world import Ground, Releases, Running, World
from podup.version import VERSION


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. `kept_version` goes back to a kept version instead of asking the release server.

    `is_automatic` obeys HOLD, windows, the canary share and what was put off; an operator's request does not.
    """

    tag: str = ""
    kept_version: str = ""
    dry_run: bool = False
    force: bool = False
    is_automatic: bool = False
    actor: str = "cli"
    reason: str = ""
    report: str = ""


def run(world: World, request: Request, *, txid: str) -> Ended:
    """Run one update to its end.

    Raises Busy when another one runs, Refused when updates are on hold or the target cannot be replaced.
    """
    places = world.ground.places
    check_target(places)
    make_dirs(places.state)
    with _lock(places.lock), _lock(places.target_lock):
        _recover_first(world, request)
        refuse_on_hold(places, request)
        record = _begin(world, request, txid)
        try:
            record = _prepare(world, request, record)
            if record.dry_run:
                checked = Skip("dry-run", f"{record.after.version} was checked, nothing was changed")
                return recovery.abort(world.ground, record, checked, end=End.PLANNED)
            _wait_for_tasks(world)
        except Skip as nothing:
            return recovery.abort(world.ground, _current(world, record), nothing, end=End.SKIPPED)
        except PodupError as error:
            say_why(world.ground, error)
            return recovery.abort(world.ground, _current(world, record), error)
        return _transact(world, record)


@dataclass(frozen=True, slots=True)
class Checked:
    """The installed version (the running one where none is), and the newest there is; `why` it stays."""

    current: str
    newest: str
    is_available: bool
    why: str = ""


def check(ground: Ground, releases: Releases, request: Request) -> Checked:
    """Return what an update would go to; changes nothing, and nothing need be installed."""
    current = kept.installed(ground.places) or VERSION
    try:
        return Checked(current, _choose(ground, releases, request, current).version, is_available=True)
    except Skip as nothing:
        return Checked(current, nothing.version or current, is_available=False, why=nothing.message)


def refuse_on_hold(places: Places, request: Request) -> None:
    """Raise Refused `updates-on-hold` unless an operator passes the hold by force."""
    held = remembered.hold_reason(places)
    if held and (request.is_automatic or not request.force):
        raise Refused("updates-on-hold", f"updates are on hold: {held}", remembered.CLEAR_HOLD)


def already_running(lock: Path) -> Busy:
    """Return the error that names who holds the update's lock."""
    who = holder(lock) or "another process"
    return Busy("update-running", f"an update is running already: {who}", "wait until it is done")


def say_why(ground: Ground, error: PodupError) -> None:
    """Tell the person who watches why there is no update, and what to do."""
    ground.log(f"not updated: {error.message}")
    if error.hint:
        ground.log(f"hint: {error.hint}")


def _begin(world: World, request: Request, txid: str) -> Record:
    ground = world.ground
    places = ground.places
    before = _current_build(ground)
    now = int(ground.clock.now())
    record = Record(
        txid=txid,
        state=State.REQUESTED,
        before=before,
        after=Build("", ""),
        tag=request.tag,
        boot_id=ground.boot_id,
        actor=request.actor,
        reason=request.reason,
        dry_run=request.dry_run,
        started_at=now,
        runner_pid=ground.pid,
        report=request.report or unused_name(places.reports, now, ground.pid),
    )
    return journal.store(places.journal, record)


def _current_build(ground: Ground) -> Build:
    places = ground.places
    schema = ground.database.look(places.database).schema if places.database.exists() else 0
    if ground.checkout is not None:
        return replace(ground.checkout.head(), schema=schema)
    return Build(kept.read_version(places.target), kept.digest(places.target), schema)


def _prepare(world: World, request: Request, record: Record) -> Record:
    """REQUESTED: keep, choose, download, verify, dry start. Returns the STAGED record (or a dry run's)."""
    ground = world.ground
    places = ground.places
    if ground.checkout is not None:
        kept.note_good(places, record.before)
    elif not record.dry_run:
        kept.keep(places, places.target, record.before)
        kept.set_good(places, record.before)
    chosen = _choose(ground, world.releases, request, record.before.version)
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
    recovery.make_executable(ground, record)
    return journal.advance(places.journal, record, State.STAGED, after=record.after)


def _choose(ground: Ground, releases: Releases, request: Request, current: str) -> Chosen:
    places = ground.places
    if ground.checkout is not None:
        return choosing.choose_commit(places, ground.checkout, request.tag, request.kept_version)
    if request.kept_version:
        return choosing.choose_kept(places, request.kept_version)
    return choosing.choose_release(places, releases, request.tag, current, force=request.force)


def _version_in(ground: Ground, record: Record, new: Path) -> str:
    """Return the version a verified file says; one that is no program is remembered. Raises PodupError."""
    try:
        return kept.read_version(new)
    except Refused as error:
        if isinstance(error.__cause__, OSError):
            raise
        raise no_good(ground, record, error.message) from error


def _stage_commit(world: World, record: Record, commit: Build) -> Record:
    ground = world.ground
    record = replace(record, after=commit)
    if record.dry_run or ground.checkout is None:
        return record
    record = replace(record, after=rehearse_commit(world, record, commit))
    ground.checkout.back_up(record.started_at)
    return journal.advance(ground.places.journal, record, State.STAGED, after=record.after)


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


def _wait_for_tasks(world: World) -> None:
    """Let running tasks finish, or put the update off."""
    clock = world.ground.clock
    deadline = clock.monotonic() + world.timing.tasks_s
    while running := running_tasks(world.ground):
        if clock.monotonic() >= deadline:
            raise Skip("tasks-running", f"put off: {running[0]} is still running")
        clock.sleep(1.0)


def running_tasks(ground: Ground) -> list[str]:
    """Return the ids of tasks whose process lives (it holds the lock of its journal)."""
    tasks = ground.places.tasks
    return [path.stem for path in sorted(tasks.glob("*.jsonl")) if is_locked(path)] if tasks.is_dir() else []


def _transact(world: World, record: Record) -> Ended:
    """SNAPSHOT to the end; from here on the service may be down, and comes up again on every road."""
    ground = world.ground
    before = _settled(world)
    service = world.service if before.is_active or before.is_coming else None
    world = replace(world, service=service, is_judged=before.is_active)
    tolerated = _issues(world)
    try:
        record = _switch(world, record)
        _start(world)
    except PodupError as error:
        record = _current(world, record)
        if record.state in UNTOUCHED:
            say_why(ground, error)
            _start(world)  # should this be killed, the journal tells that the service is to be started
            return recovery.abort(ground, record, error)
        return roll_back(world, record, code=error.code, message=error.message, tolerated=tolerated)
    timing = world.timing
    trial_says = f"on trial for {timing.settle_s:g} s" if before.is_active else "nothing ran it before"
    ground.log(f"{record.after.version} is in place; {trial_says}")
    wanted = trial.Wanted(record.after.answers_as, record.txid, tolerated)
    seen = trial.judge(world, wanted, within_s=timing.trial_s, settle_s=timing.settle_s)
    if seen.look is not trial.Look.OK:
        unfit = swap.why_unfit(ground.places, record.txid)
        code, why = (HOST_UNFIT, f"{seen.reason}; {unfit}") if unfit else (TRIAL_FAILED, seen.reason)
        return roll_back(world, record, code=code, message=why, tolerated=tolerated)
    try:
        record = journal.advance(ground.places.journal, record, State.COMMITTING, may_start=True)
    except PodupError as error:
        record = _current(world, record)
        if record.state is not State.COMMITTING:
            return roll_back(world, record, code=error.code, message=error.message, tolerated=tolerated)
    ground.log(f"{record.after.version} is well and stays")
    return recovery.commit(ground, record)


def _switch(world: World, record: Record) -> Record:
    """Stop, back up, switch; return the TRIAL record. What raises leaves its state in the journal.

    Code is switched while the old program still runs, from memory: what git and pip take is no time in
    which nobody accepts webhooks.
    """
    ground = world.ground
    path = ground.places.journal
    record = journal.advance(path, record, State.SNAPSHOT)
    if ground.checkout is not None:
        remembered.count_attempt(ground.places, record.after.version)
        record = journal.advance(path, record, State.SWITCHING)
        ground.checkout.switch(record.after)
    _stop(world)
    with recovery.daemon_lock(ground, wait_s=world.timing.daemon_lock_s):
        backup = swap.back_up(ground.places, ground.database, record.txid)
        if ground.checkout is not None:
            return journal.advance(path, record, State.TRIAL, backup=backup, may_start=True)
        remembered.count_attempt(ground.places, record.after.version)
        record = journal.advance(path, record, State.SWITCHING, backup=backup)
        swap.switch(ground.places, record.txid)
        return journal.advance(path, record, State.TRIAL, may_start=True)


def roll_back(
    world: World, record: Record, *, code: str, message: str, tolerated: frozenset[str] = frozenset()
) -> Ended:
    """Bring the old program back and judge it; after three tries updates are put on hold."""
    ground = world.ground
    ground.log(f"rolling back to {record.before.version}: {message}")
    for _ in range(MAX_ROLLBACK_TRIES - record.tries):
        try:
            record = recovery.begin_to_take_back(ground, record, code=code, message=message)
            _stop(world)
            record = recovery.take_back(ground, record)
            _start(world)
        except PodupError as error:
            ground.log(f"the way back is blocked: {error.message}")
            record = _current(world, record)
            ground.clock.sleep(1.0)
            continue
        wanted = trial.Wanted(record.before.answers_as, record.txid, tolerated)
        timing = world.timing
        seen = trial.judge(world, wanted, within_s=timing.back_trial_s, settle_s=timing.back_settle_s)
        if seen.look is trial.Look.OK:
            ground.log(f"{record.before.version} is back")
            return recovery.end_taken_back(ground, record)
        ground.log(f"{record.before.version} is not well: {seen.reason}")
    return recovery.hold(ground, record, start=lambda: _start(world))


def _recover_first(world: World, request: Request) -> None:
    """End what an earlier run left behind; its service may be running. A dry run only says so."""
    ground = world.ground
    if request.dry_run and ground.places.journal.exists():
        raise Refused(
            "update-interrupted", "an earlier update was interrupted", "run self-update to recover it"
        )
    record = recovery.load_or_make(ground)
    if record is None:
        return
    act = recovery.due(ground, record, is_lock_held=False)
    ground.log(f"an earlier update was interrupted in {record.state}: {act}")
    interrupted = PodupError(recovery.INTERRUPTED, f"interrupted in {record.state}")
    if act is Act.ABORT:
        if record.state is State.SNAPSHOT:
            _start(world)
        recovery.abort(ground, record, interrupted)
    elif act is Act.ROLL_FORWARD:
        recovery.commit(ground, record)
    elif act is Act.HOLD:
        recovery.hold(ground, record, start=lambda: _start(world))
    else:
        roll_back(world, record, code=interrupted.code, message=interrupted.message)


def _settled(world: World) -> Running:
    """Return how the service stands once it is not on its way up any more, or takes too long for that."""
    if world.service is None:
        return Running(False)
    clock = world.ground.clock
    deadline = clock.monotonic() + world.timing.coming_s
    while True:
        seen = world.service.look()
        if seen.is_active or not seen.is_coming or clock.monotonic() >= deadline:
            return seen
        clock.sleep(world.timing.every_s)


def _issues(world: World) -> frozenset[str]:
    """Return the components that are not well before anything is touched."""
    if world.service is None:
        return frozenset()
    return frozenset().union(*(answer.issues for answer in world.prober.ask()))


def _stop(world: World) -> None:
    if world.service is not None:
        world.service.stop()


def _start(world: World) -> None:
    if world.service is not None:
        world.service.start()


def _current(world: World, record: Record) -> Record:
    """Return the record as it is on the disk: a step that failed may have written it."""
    seen = journal.load(world.ground.places.journal)
    return seen if isinstance(seen, Record) else record


def _lock(path: Path) -> FileLock:
    lock = FileLock(path, what="self-update")
    if not lock.acquire():
        raise already_running(path)
    return lock
