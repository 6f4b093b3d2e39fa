"""A self-update whose disk refuses an effect: full (ENOSPC), broken (EIO) or read-only (EROFS).

Each effect of the happy path and of the way back is refused, once or from there on until the machine is
started anew. The daily run gives an effect one of the errors, in turns; `--full` gives it every one.
"""

import os
import shutil

import pytest
from sweep import (
    DISK_ERRORS,
    MACHINES,
    assert_at_rest,
    count_effects,
    failing,
    fresh,
    in_child,
    run_recovery,
    run_update,
    settle,
)
from update_simulator import make_machine


def errors_at(number: int, *, is_full: bool) -> tuple[str, ...]:
    return DISK_ERRORS if is_full else (DISK_ERRORS[number % len(DISK_ERRORS)],)


def assert_spoken(status: int, case: str) -> None:
    """It ended by itself, well or with an error of ours."""
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, 1), f"{case}: {status}"


@pytest.mark.parametrize("path", MACHINES)
def test_refused_once(tmp_path, path, request):
    count = count_effects(fresh(tmp_path, "count", path), run_update)
    for number in range(1, count + 1):
        for error in errors_at(number, is_full=request.config.getoption("--full")):
            root = fresh(tmp_path, f"{error}-{number}", path)
            status = in_child(root, run_update, number, failing(error))
            assert_spoken(status, f"{error} at {number}")
            told = list(make_machine(root).places.reports.glob("*.json"))
            assert len(told) == 1 or os.WEXITSTATUS(status) == 1, "an update that ends leaves its report"
            settle(root)
            assert_at_rest(root)
            shutil.rmtree(root)


@pytest.mark.parametrize("path", MACHINES)
def test_refused_from_there_on(tmp_path, path, request):
    is_full = request.config.getoption("--full")
    count = count_effects(fresh(tmp_path, "count", path), run_update)
    for number in range(1, count + 1, 1 if is_full else 2):
        for error in errors_at(number, is_full=is_full):
            root = fresh(tmp_path, f"{error}-{number}", path)
            case = f"{error} from {number} on"
            assert_spoken(in_child(root, run_update, number, failing(error), on=True), case)
            assert_spoken(in_child(root, run_recovery, 1, failing(error), on=True), f"{case}, recovery")
            run_recovery(root)
            assert_at_rest(root)
            shutil.rmtree(root)
