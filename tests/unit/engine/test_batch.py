"""A batch ends as its gravest task did."""

import pytest

from podup.core.states import Status, Trigger
from podup.engine.batch import sum_up
from podup.store.tasks import Task


def ended(*statuses: Status) -> list[Task]:
    return [Task("tsk", "restart", 1.0, Trigger("api"), status=status) for status in statuses]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), (Status.SKIPPED, "nothing to do")),
        ((Status.SUCCEEDED, Status.SKIPPED), (Status.SUCCEEDED, "1 succeeded, 1 skipped")),
        ((Status.PLANNED, Status.PLANNED), (Status.PLANNED, "2 planned")),
        ((Status.SUCCEEDED, Status.ROLLED_BACK), (Status.ROLLED_BACK, "1 rolled back, 1 succeeded")),
        ((Status.CANCELLED, Status.FAILED), (Status.FAILED, "1 failed, 1 cancelled")),
    ],
)
def test_the_gravest_end_counts(statuses: tuple[Status, ...], expected: tuple[Status, str]) -> None:
    assert sum_up(ended(*statuses)) == expected
