"""Work that is done again and again beside the server: one thread a duty.

The door of a scheduler tick: a fault in one round is told and the next round comes after a pause. A fault we
have words for is told in them, a defect with its trace; either once, until a round goes well.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from podup.errors import PodupError
from podup.late import late

if TYPE_CHECKING:
    import traceback
else:
    traceback = late("traceback")

_PAUSE_S = 5.0


class Rounds:
    """Runs `work` until `stop`. `work` returns the seconds until its next round; `wake` cuts that short."""

    def __init__(self, name: str, work: Callable[[], float], *, say: Callable[[str], None]) -> None:
        self.name = name
        self._work = work
        self._say = say
        self._wanted = threading.Event()
        self._is_stopped = False
        self._told = ""
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
            try:
                wait_s = self._work()
                self._told = ""
            except PodupError as error:
                hint = f" ({error.hint})" if error.hint else ""
                self._tell(error.code, f"{self.name}: {error.message}{hint}")
                wait_s = _PAUSE_S
            except Exception:
                trace = traceback.format_exc()
                self._tell(trace, f"{self.name} met a fault:\n{trace}")
                wait_s = _PAUSE_S
            self._wanted.wait(wait_s)
            self._wanted.clear()

    def _tell(self, fault: str, text: str) -> None:
        if fault != self._told:
            self._told = fault
            self._say(text)
