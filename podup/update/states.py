"""The states of a self-update, as a table, and the one rule of recovery. Pure.

    REQUESTED     choose, download, verify, dry start; nothing is touched but a new file beside the target
    STAGED        waits for its window and for running tasks
    SNAPSHOT      maintenance on, service stopped, database copied and checked
    SWITCHING     the new program takes the target's place
    TRIAL         the new program runs and is judged
    COMMITTING    it stays: history, kept versions, report
    ROLLING_BACK  the old program, and the database when it was migrated, come back
    (end)         no journal; how it ended stands in the report

Recovery: before COMMITTING roll back, from COMMITTING on roll forward. Where the path is in doubt the
digest of the target decides, not the state's name. While the update's lock is held, recovery only waits,
and only where a start of the service would meet half-made files. Attempts are counted, not seconds: a
clock does not survive a power cut.
"""

from enum import StrEnum

MAX_ROLLBACK_TRIES = 3
MAX_ATTEMPTS = 2
MAX_IN_DOUBT = 3
_FIRST_WAIT_S = 300.0
_LONGEST_WAIT_S = 6 * 3600.0


class State(StrEnum):
    """Where a transaction stands."""

    REQUESTED = "requested"
    STAGED = "staged"
    SNAPSHOT = "snapshot"
    SWITCHING = "switching"
    TRIAL = "trial"
    COMMITTING = "committing"
    ROLLING_BACK = "rolling-back"


class End(StrEnum):
    """How a transaction ended; the values are those of a task's status."""

    SUCCEEDED = "succeeded"
    PLANNED = "planned"
    SKIPPED = "skipped"
    ABORTED = "failed"
    ROLLED_BACK = "rolled_back"
    HELD = "held"


class Act(StrEnum):
    """What recovery does."""

    LEAVE = "leave"
    WAIT = "wait"
    ABORT = "abort"
    ROLL_BACK = "roll-back"
    ROLL_FORWARD = "roll-forward"
    HOLD = "hold"


NEXT: dict[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.STAGED}),
    State.STAGED: frozenset({State.SNAPSHOT}),
    State.SNAPSHOT: frozenset({State.SWITCHING}),
    State.SWITCHING: frozenset({State.TRIAL, State.ROLLING_BACK}),
    State.TRIAL: frozenset({State.COMMITTING, State.ROLLING_BACK}),
    State.COMMITTING: frozenset(),
    State.ROLLING_BACK: frozenset({State.ROLLING_BACK}),
}

MAY_END: frozenset[State] = frozenset(State) - {State.SWITCHING, State.TRIAL}

MAINTENANCE: frozenset[State] = frozenset({State.SNAPSHOT, State.SWITCHING, State.TRIAL, State.ROLLING_BACK})
"""From here to the end the database takes no write; COMMITTING is the end of it."""

UNTOUCHED: frozenset[State] = frozenset({State.REQUESTED, State.STAGED, State.SNAPSHOT})
"""States in which the target is still the old program."""

_HALF_MADE: frozenset[State] = frozenset({State.SNAPSHOT, State.SWITCHING, State.ROLLING_BACK})


def is_maintenance(state: State | None) -> bool:
    """Return whether the service is to accept without writing; None means no transaction."""
    return state in MAINTENANCE


def decide_recovery(
    state: State, *, is_lock_held: bool, may_start: bool, is_target_old: bool, tries: int
) -> Act:
    """Return what whoever starts the service does about a transaction in `state`.

    `may_start` is the journal's mark that the files are in place, `is_target_old` says that the target
    has the digest of the old program, `tries` counts roll-backs begun so far.
    """
    if is_lock_held:
        return Act.WAIT if state in _HALF_MADE and not may_start else Act.LEAVE
    if state is State.COMMITTING:
        return Act.ROLL_FORWARD
    if state in UNTOUCHED and is_target_old:
        return Act.ABORT
    return Act.HOLD if tries >= MAX_ROLLBACK_TRIES else Act.ROLL_BACK


def again_after_s(count: int) -> float:
    """Return for how long automatic updates leave a version alone that was put off so often."""
    return float(min(_FIRST_WAIT_S * 2 ** min(count - 1, 16), _LONGEST_WAIT_S))


def is_given_up(attempts: int) -> bool:
    """Return whether a version that was interrupted so often is rejected without a verdict."""
    return attempts >= MAX_ATTEMPTS
