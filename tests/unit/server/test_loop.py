"""What other threads may ask of the loop."""

import sys
import threading
from collections.abc import Iterator

import pytest

CALLERS = 8
CALLS = 200


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns a thousand times as often, so that every order of their steps comes up."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_no_call_of_another_thread_is_left_waiting(serve, switching) -> None:
    loop = serve().server.loop
    left: list[int] = []

    def ask() -> None:
        for number in range(CALLS):
            heard = threading.Event()
            loop.call(heard.set)
            if not heard.wait(5):
                left.append(number)
                return

    callers = [threading.Thread(target=ask, daemon=True) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not left
