"""Work that is done again and again beside the server, each kind in a thread of its own.

The door of a scheduler tick, and of one task in a round of them: a fault is told and the next round comes
after a pause. A fault we have words for is told in them, a defect with its trace; either once, until a round
goes well.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from podup.errors import PodupError
from podup.late import late
from podup.records import dataclass

if TYPE_CHECKING:
    import traceback
else:
    traceback = late("traceback")

_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What work ended with: one sentence, and the trace of what nobody has words for."""

    code: str
    says: str
    trace: str = ""


def attempt(work: Callable[[], None]) -> Fault | None:
    """Do the work and return what went wrong, whatever it was; None when nothing did."""
    try:
        work()
    except PodupError as error:
        return Fault(error.code, error.on_one_line)
    except Exception as error:
        trace = traceback.format_exc()
        return Fault(trace, f"{type(error).__name__}: {error}", trace)
    return None


class Rounds:
    """Runs `work` until `stop`. `work` returns the seconds until its next round; `wake` cuts that short."""

    def __init__(self, name: str, work: Callable[[], float], *, say: Callable[[str], None]) -> None:
        self.name = name
        self._work = work
        self._say = say
        self._wanted = threading.Event()
        self._is_stopped = False
        self._told = ""
        self._wait_s = _PAUSE_S
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first round comes at once."""
        self._thread.start()

    @property
    def has_died(self) -> bool:
        """Whether it ended though nobody stopped it: of what even this door lets through (SystemExit)."""
        return self._thread.ident is not None and not self._is_stopped and not self._thread.is_alive()

    def wake(self) -> None:
        """Let the next round come now; from any thread."""
        self._wanted.set()

    def ask_to_stop(self) -> None:
        """Let the round that runs be the last one."""
        self._is_stopped = True
        self._wanted.set()

    def stop(self, *, within_s: float) -> None:
        """End after the round that runs, waiting at most so long for it."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join(timeout=within_s)

    def _run(self) -> None:
        while not self._is_stopped:
            self._wait_s = _PAUSE_S
            fault = attempt(self._round)
            if fault is not None and fault.code != self._told:
                met = f" met a fault:\n{fault.trace}" if fault.trace else f": {fault.says}"
                self._say(f"{self.name}{met}")
            self._told = fault.code if fault is not None else ""
            self._wanted.wait(self._wait_s)
            self._wanted.clear()

    def _round(self) -> None:
        self._wait_s = self._work()
