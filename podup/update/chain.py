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
from podup.files import FileLock, holder, is_locked, make_dirs
from podup.records import dataclass, replace
from podup.update import choosing, journal, kept, recovery, remembered, staging, swap, trial
from podup.update.choosing import Request, Skip
from podup.update.journal import Build, Record
from podup.update.places import Places, check_target
from podup.update.recovery import TRIAL_FAILED, Ended
from podup.update.reports import unused_name
from podup.update.states import MAX_ROLLBACK_TRIES, UNTOUCHED, Act, End, State
from podup.update.world import Ground, Releases, Running, Service, World
from podup.version import VERSION


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
            record = staging.stage(world, request, record)
            if record.dry_run:
                checked = Skip("dry-run", f"{record.after.version} was checked, nothing was changed")
                return recovery.abort(world.ground, record, checked, end=End.PLANNED)
            _wait_for_tasks(world)
        except Skip as nothing:
            if nothing.hint:
                world.ground.log(f"hint: {nothing.hint}")
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
        chosen = choosing.choose(ground, releases, request, current)
        return Checked(current, chosen.version, is_available=True)
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
        code, why = _why_taken_back(world, record, seen.reason)
        return roll_back(world, record, code=code, message=why, tolerated=tolerated)
    try:
        record = journal.advance(ground.places.journal, record, State.COMMITTING, may_start=True)
    except PodupError as error:
        record = _current(world, record)
        if record.state is not State.COMMITTING:
            return roll_back(world, record, code=error.code, message=error.message, tolerated=tolerated)
    ground.log(f"{record.after.version} is well and stays")
    return recovery.commit(ground, record)


def _why_taken_back(world: World, record: Record, reason: str) -> tuple[str, str]:
    """Return code and reason of a trial that came to no good end; not all speak against the program."""
    if world.service is None:
        return TRIAL_FAILED, reason
    unfit = swap.why_unfit(world.ground.places, record.txid)
    if unfit:
        return HOST_UNFIT, f"{reason}; {unfit}"
    if _is_stopped(world.service):
        return recovery.INTERRUPTED, "somebody stopped the service while it was on trial"
    return TRIAL_FAILED, f"{reason}; what it said: {world.service.log_since(record.started_at)}"


def _is_stopped(service: Service) -> bool:
    try:
        return service.look().is_stopped
    except PodupError:
        return False  # nobody can tell, and the verdict stands


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
    """Return how the service stands once it has come up, has stayed down, or takes too long."""
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
