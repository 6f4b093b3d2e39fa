import pytest

from podup.update.states import MAX_ROLLBACK_TRIES, MAY_END, NEXT, Act, State, decide_recovery, is_maintenance


def act(state, **more):
    seen = {"is_lock_held": False, "may_start": False, "is_target_old": True, "tries": 0, **more}
    return decide_recovery(state, **seen)


def test_every_state_has_a_row_and_a_way_to_an_end():
    assert set(NEXT) == set(State)
    for state in State:
        reached, wave = {state}, {state}
        while wave:
            wave = {after for one in wave for after in NEXT[one]} - reached
            reached |= wave
        assert reached & MAY_END


def test_a_state_in_which_the_program_is_exchanged_cannot_just_end():
    assert not {State.SWITCHING, State.TRIAL} & MAY_END


@pytest.mark.parametrize("state", State)
def test_with_the_lock_held_recovery_only_waits_where_files_are_half_made(state):
    half_made = state in (State.SNAPSHOT, State.SWITCHING, State.ROLLING_BACK)
    assert act(state, is_lock_held=True) is (Act.WAIT if half_made else Act.LEAVE)
    assert act(state, is_lock_held=True, may_start=True) is Act.LEAVE


RULE = [
    (State.REQUESTED, True, Act.ABORT),
    (State.STAGED, True, Act.ABORT),
    (State.SNAPSHOT, True, Act.ABORT),
    (State.SNAPSHOT, False, Act.ROLL_BACK),
    (State.SWITCHING, True, Act.ROLL_BACK),
    (State.SWITCHING, False, Act.ROLL_BACK),
    (State.TRIAL, False, Act.ROLL_BACK),
    (State.COMMITTING, False, Act.ROLL_FORWARD),
    (State.ROLLING_BACK, True, Act.ROLL_BACK),
    (State.ROLLING_BACK, False, Act.ROLL_BACK),
]


@pytest.mark.parametrize(("state", "is_target_old", "expected"), RULE)
def test_before_committing_back_from_there_forward(state, is_target_old, expected):
    assert act(state, is_target_old=is_target_old) is expected


def test_a_rollback_is_tried_a_bounded_number_of_times():
    assert act(State.ROLLING_BACK, tries=MAX_ROLLBACK_TRIES - 1) is Act.ROLL_BACK
    assert act(State.ROLLING_BACK, tries=MAX_ROLLBACK_TRIES) is Act.HOLD


def test_maintenance_is_from_snapshot_to_the_verdict():
    on = {state for state in State if is_maintenance(state)}
    assert on == {State.SNAPSHOT, State.SWITCHING, State.TRIAL, State.ROLLING_BACK}
    assert not is_maintenance(None)
